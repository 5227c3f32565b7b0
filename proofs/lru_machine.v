(* The LRU that the checker plays, a list of pages with the newest in front, is LRU: the k pages requested last. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Machine Renamed Policies.
Import ListNotations.

Definition front (s : state) : list nat := map fst s.
Lemma has_front p s : has p s = mem p (front s).
Proof.
  destruct (mem p (front s)) eqn:E.
  - apply mem_In, in_map_iff in E. destruct E as [e [E1 E2]]. apply existsb_exists. exists e. split; auto. now apply Nat.eqb_eq.
  - apply not_true_iff_false. intros H. apply existsb_exists in H. destruct H as [e [H1 H2]]. apply Nat.eqb_eq in H2.
    assert (H : In p (front s)) by (rewrite <- H2; now apply in_map). apply mem_In in H. congruence.
Qed.
Lemma drop_front p s : front (drop p s) = remove Nat.eq_dec p (front s).
Proof.
  unfold front, drop. induction s as [|[q x] s IH]; [reflexivity|]. cbn [filter map fst remove].
  destruct (Nat.eqb_spec q p) as [->|N]; destruct (Nat.eq_dec p _) as [E|E]; try congruence; simpl; now rewrite IH.
Qed.

Lemma remove_firstn p : forall d r, NoDup r -> In p (firstn (S d) r) ->
  remove Nat.eq_dec p (firstn (S d) r) = firstn d (remove Nat.eq_dec p r).
Proof.
  induction d as [|d IH]; intros [|y r] Hr Hp; try solve [inversion Hp]; inversion Hr; subst.
  - destruct Hp as [->|[]]. simpl. destruct (Nat.eq_dec p p); [reflexivity|congruence].
  - change (firstn (S (S d)) (y :: r)) with (y :: firstn (S d) r) in *. cbn [remove].
    destruct (Nat.eq_dec p y) as [->|N].
    + rewrite !notin_remove; auto. intros H. apply In_firstn in H. auto.
    + destruct Hp as [Hp|Hp]; [congruence|]. rewrite IH by auto. reflexivity.
Qed.
Lemma firstn_absent p : forall d r, ~ In p (firstn (S d) r) -> firstn d (remove Nat.eq_dec p r) = firstn d r.
Proof.
  induction d as [|d IH]; intros [|y r] Hp; try reflexivity.
  change (firstn (S (S d)) (y :: r)) with (y :: firstn (S d) r) in Hp. cbn [remove].
  destruct (Nat.eq_dec p y) as [->|N]; [exfalso; apply Hp; now left|]. cbn [firstn]. f_equal. apply IH. intros H. apply Hp. now right.
Qed.

Section Lru.
Variables l n k : nat.
Hypothesis k_pos : 1 <= k.
Notation run h := (final l state (lru_step k) 0 [] (rev h)).
Lemma run_cons p h : run (p :: h) = fst (lru_step k (length h mod l) (run h) p).
Proof. simpl rev. rewrite final_app. simpl. now rewrite rev_length. Qed.

Lemma run_front h : front (run h) = lru k h.
Proof.
  induction h as [|p h IH]; [unfold lru; simpl; now rewrite firstn_nil|]. rewrite run_cons.
  set (s := run h) in *. clearbody s. unfold lru_step. rewrite has_front, IH.
  destruct k as [|d]; [lia|]. unfold lru in *. cbn [recency]. destruct (mem p (firstn (S d) (recency h))) eqn:E; cbn [fst].
  - apply mem_In in E. change (p :: front (drop p s) = p :: firstn d (remove Nat.eq_dec p (recency h))).
    rewrite drop_front, IH. f_equal. apply remove_firstn; auto. apply recency_NoDup.
  - assert (Hn : ~ In p (firstn (S d) (recency h))) by (rewrite <- mem_In; congruence).
    change (p :: front (firstn (S d - 1) s) = p :: firstn d (remove Nat.eq_dec p (recency h))). f_equal.
    rewrite firstn_absent by auto. unfold front in *. rewrite <- firstn_map, IH, firstn_firstn. f_equal. lia.
Qed.

Lemma same_misses h : policy_cost l n k Lru h = misses (lru k) h.
Proof.
  unfold policy_cost. cbn [policy_step]. induction h as [|p h IH]; [reflexivity|]. simpl rev.
  rewrite (cost_app l). cbn [misses cost]. rewrite IH, rev_length. simpl.
  assert (E : snd (lru_step k (length h mod l) (run h) p) = if mem p (lru k h) then 0 else 1).
  { unfold lru_step. rewrite has_front, run_front. destruct (mem p (lru k h)); reflexivity. }
  destruct (lru_step k (length h mod l) (run h) p). simpl in *. lia.
Qed.
End Lru.

Theorem lru_machine : forall l n k h, 1 <= k -> policy_cost l n k Lru h = misses (lru k) h.
Proof. intros l n k h Hk. now apply same_misses. Qed.
