(* Every marking policy has a ratio of at most k: for all k, on every sequence, layered or not.
   A policy is marking if its cache keeps every page of the phase, after each request, until the phase ends. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Phases.
Import ListNotations.

Definition marking (k : nat) (alg : list nat -> cache) : Prop := forall h, incl (fst (fst (phase k h))) (alg h).

Theorem marking_upper : forall k, 1 <= k -> forall alg, marking k alg ->
  forall h m, schedule k [] (rev h) m -> misses alg h <= k * (m + 1).
Proof.
  intros k Hk alg Hm.
  assert (I : forall h, misses alg h <= k * snd (fst (phase k h)) + length (fst (fst (phase k h)))).
  { induction h as [|p h IH]; [simpl; lia|]. pose proof (Hm h) as Hh. pose proof (phase_length k Hk h) as Hl.
    simpl. destruct (phase k h) as [[D f] c]. simpl in *. destruct (mem p D) eqn:E.
    - apply mem_In, Hh, mem_In in E. rewrite E. simpl. lia.
    - assert ((if mem p (alg h) then 0 else 1) <= 1) by (destruct (mem p (alg h)); lia).
      destruct (length D <? k) eqn:E2; simpl; [lia|]. apply Nat.ltb_ge in E2. rewrite Nat.mul_succ_r. lia. }
  intros h m Hs. specialize (I h). pose proof (phases_paid k Hk h m Hs) as F. pose proof (phase_length k Hk h) as L.
  assert (k * snd (fst (phase k h)) <= k * m) by (apply Nat.mul_le_mono_l; exact F). lia.
Qed.

(* LRU is a marking policy *)
Lemma lru_marking k : 1 <= k -> marking k (lru k).
Proof.
  intros Hk h. assert (I : incl (fst (fst (phase k h))) (firstn (length (fst (fst (phase k h)))) (recency h))).
  { induction h as [|p h IH]; [intros x []|]. pose proof (phase_NoDup k h) as N. cbn [phase recency].
    destruct (phase k h) as [[D f] c]. cbn [fst snd] in *. destruct (mem p D) eqn:E; cbn [fst snd].
    - apply mem_In in E. destruct (length D) as [|d] eqn:Ed; [destruct D; [inversion E|discriminate]|].
      intros x Hx. cbn [firstn]. destruct (Nat.eq_dec p x) as [->|Nx]; [left; auto|right].
      apply firstn_remove_up; auto. apply recency_NoDup.
    - destruct (length D <? k); cbn [fst length firstn].
      + intros x [Hx|Hx]; [left; auto|right]. apply firstn_remove_stay; auto. intros ->. apply mem_In in Hx. congruence.
      + intros x [Hx|[]]. left; auto. }
  intros x Hx. apply I in Hx. pose proof (phase_length k Hk h) as L. unfold lru.
  rewrite <- (firstn_skipn (length (fst (fst (phase k h)))) (recency h)), firstn_app.
  apply in_or_app. left. rewrite firstn_firstn.
  replace (Nat.min k (length (fst (fst (phase k h))))) with (length (fst (fst (phase k h)))) by lia. auto.
Qed.
