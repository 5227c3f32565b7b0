(* Machines: online algorithms that keep a state.  The checkers know no particular one. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model.
Import ListNotations.

Section Machine.
Variable l : nat.
Variable St : Type.
Variable step : nat -> St -> nat -> St * nat.   (* layer, state, page -> state, misses *)

Fixpoint cost (t : nat) (st : St) (s : list nat) : nat :=
  match s with
  | [] => 0
  | p :: s' => let (st', m) := step (t mod l) st p in m + cost (S t) st' s'
  end.

Fixpoint final (t : nat) (st : St) (s : list nat) : St :=
  match s with [] => st | p :: s' => final (S t) (fst (step (t mod l) st p)) s' end.

Lemma cost_app s1 : forall t st s2,
  cost t st (s1 ++ s2) = cost t st s1 + cost (t + length s1) (final t st s1) s2.
Proof.
  induction s1; intros; simpl; [now rewrite Nat.add_0_r|].
  destruct (step (t mod l) st a) as [st' m] eqn:E. simpl. rewrite IHs1.
  replace (S t + length s1) with (t + S (length s1)) by lia. lia.
Qed.
Lemma final_app s1 : forall t st s2, final t st (s1 ++ s2) = final (t + length s1) (final t st s1) s2.
Proof.
  induction s1; intros; simpl; [now rewrite Nat.add_0_r|]. rewrite IHs1. f_equal; lia.
Qed.
Hypothesis l_pos : 0 < l.
Lemma cost_mod s : forall t u st, t mod l = u mod l -> cost t st s = cost u st s.
Proof.
  induction s; intros t u st H; simpl; auto. rewrite H. destruct (step (u mod l) st a). f_equal. apply IHs.
  replace (S t) with (t + 1) by lia. replace (S u) with (u + 1) by lia.
  rewrite <- (Nat.add_mod_idemp_l t), <- (Nat.add_mod_idemp_l u), H by lia. auto.
Qed.
Lemma final_mod s : forall t u st, t mod l = u mod l -> final t st s = final u st s.
Proof.
  induction s; intros t u st H; simpl; auto. rewrite H. apply IHs.
  replace (S t) with (t + 1) by lia. replace (S u) with (u + 1) by lia.
  rewrite <- (Nat.add_mod_idemp_l t), <- (Nat.add_mod_idemp_l u), H by lia. auto.
Qed.

End Machine.
