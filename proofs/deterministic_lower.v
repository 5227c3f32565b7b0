(* No online policy, lazy or not, has a ratio below k - l + 1: for all l, n, k with l <= k and k + 1 <= l n.
   A policy is any function from histories to caches that serves what is asked for: it may prefetch, need not be lazy, and
   may start with any cache.  It pays for what it loads.  The optimum is over all schedules. *)
From Coq Require Import List Arith Bool Lia FinFun.
From LP.library Require Import Model Online Cruel.
Import ListNotations.

(* k + 1 pages with one in each layer exist *)
Section Pages.
Variables l n k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis l_le_k : l <= k.
Hypothesis enough : k + 1 <= l * n.

Definition firsts := map (fun i => i * n) (seq 0 l).
Definition others := filter (fun p => negb (mem p firsts)) (seq 0 (l * n)).
Definition pages := firsts ++ firstn (k + 1 - l) others.

Lemma n_pos : 1 <= n. Proof. destruct n; lia. Qed.
Lemma firsts_In p : In p firsts <-> exists i, i < l /\ p = i * n.
Proof.
  unfold firsts. rewrite in_map_iff. split; intros [i H]; exists i;
    [destruct H as [<- H]; apply in_seq in H | destruct H; split; auto; apply in_seq]; lia.
Qed.
Lemma firsts_NoDup : NoDup firsts.
Proof.
  pose proof n_pos. unfold firsts. apply FinFun.Injective_map_NoDup; [|apply seq_NoDup].
  intros a b H1. apply Nat.mul_cancel_r in H1; lia.
Qed.
Lemma others_many : k + 1 - l <= length others.
Proof.
  assert (H : incl (seq 0 (l * n)) (firsts ++ others)).
  { intros p Hp. apply in_or_app. destruct (in_dec Nat.eq_dec p firsts) as [|N]; auto. right.
    apply filter_In. split; auto. apply negb_true_iff, not_true_iff_false. rewrite mem_In. auto. }
  apply NoDup_incl_length in H; [|apply seq_NoDup].
  rewrite app_length, seq_length in H. unfold firsts in H. rewrite map_length, seq_length in H. lia.
Qed.
Lemma others_In p : In p others -> p < l * n /\ ~ In p firsts.
Proof.
  intros H. apply filter_In in H. destruct H as [H1 H2]. apply in_seq in H1. split; [lia|].
  rewrite <- mem_In. apply negb_true_iff in H2. congruence.
Qed.
Lemma pages_nodup_ : NoDup pages.
Proof.
  apply NoDup_app_; [apply firsts_NoDup | apply NoDup_firstn_, NoDup_filter, seq_NoDup |].
  intros p H1 H2. apply In_firstn, others_In in H2. tauto.
Qed.
Lemma pages_length_ : length pages = S k.
Proof.
  unfold pages. rewrite app_length, firstn_length_le by apply others_many.
  unfold firsts. rewrite map_length, seq_length. lia.
Qed.
Lemma pages_ok_ p : In p pages -> p < l * n /\ layer n p < l.
Proof.
  pose proof n_pos. intros H1.
  assert (p < l * n).
  { unfold pages in H1. rewrite in_app_iff in H1. destruct H1 as [H1|H1].
    - apply firsts_In in H1. destruct H1 as [i [H1 ->]]. apply Nat.mul_lt_mono_pos_r; lia.
    - apply In_firstn, others_In in H1. tauto. }
  split; auto. unfold layer. apply Nat.div_lt_upper_bound; lia.
Qed.
Lemma pages_all_ i : i < l -> exists p, In p pages /\ layer n p = i.
Proof.
  pose proof n_pos. intros H1. exists (i * n). split.
  - unfold pages. apply in_or_app. left. apply firsts_In. eauto.
  - unfold layer. apply Nat.div_mul. lia.
Qed.
End Pages.

Theorem deterministic_lower : forall l n k, 1 <= l -> l <= k -> k + 1 <= l * n ->
  forall alg, online alg k -> forall P Q, at_most l n k (paid alg) P Q -> Q * (k - l + 1) <= P.
Proof.
  intros l n k H1 H2 H3 alg [F S] P Q [add Hall].
  apply (adversary_wins l n k H1 H2 alg F S (pages l n k)) with add; auto.
  - apply pages_nodup_; auto.
  - apply pages_length_; auto.
  - intros p; apply pages_ok_; auto.
  - intros i; apply pages_all_; auto.
Qed.
