(* Phases: maximal stretches of the sequence with at most k different pages.  Every schedule pays once for each that ended. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model.
Import ListNotations.

Section Phases.
Variable k : nat.

(* the pages of the phase, the phases that ended, the requests of the phase *)
Fixpoint phase (h : list nat) : list nat * nat * nat :=
  match h with
  | [] => ([], 0, 0)
  | p :: h' => let '(D, f, c) := phase h' in
      if mem p D then (D, f, S c) else if length D <? k then (p :: D, f, S c) else ([p], S f, 1)
  end.

Lemma phase_NoDup h : NoDup (fst (fst (phase h))).
Proof.
  induction h as [|p h IH]; simpl; [constructor|]. destruct (phase h) as [[D f] c]. simpl in IH.
  destruct (mem p D) eqn:E; simpl; auto. destruct (length D <? k); simpl.
  - constructor; auto. rewrite <- mem_In. congruence.
  - constructor; [intros []|constructor].
Qed.
Hypothesis k_pos : 1 <= k.
Lemma phase_length h : length (fst (fst (phase h))) <= k.
Proof.
  induction h as [|p h IH]; simpl; [lia|]. destruct (phase h) as [[D f] c]. simpl in IH.
  destruct (mem p D) eqn:E; simpl; auto. destruct (length D <? k) eqn:E2; simpl; [|lia]. apply Nat.ltb_lt in E2. lia.
Qed.

Lemma offline_pays h : forall m d, h <> [] -> runs k [] (rev h) m d ->
  exists C0 X, is_cache k C0 /\ incl (fst (fst (phase h))) (C0 ++ X) /\ incl d (C0 ++ X) /\
               snd (fst (phase h)) + length X <= m.
Proof.
  induction h as [|p h IH]; intros m d Hne Hr; [congruence|]. simpl rev in Hr.
  destruct (runs_snoc _ _ _ _ _ _ Hr) as [e [m1 [R1 [R2 [R3 R4]]]]].
  destruct h as [|q h].
  - simpl. assert (Hk : (0 <? k) = true) by (apply Nat.ltb_lt; lia). rewrite Hk. simpl.
    exists d, []. rewrite app_nil_r. split; auto. split; [intros x [<-|[]]; auto|]. split; [intros x; auto|]. simpl. lia.
  - destruct (IH m1 e ltac:(discriminate) R1) as [C0 [X [Q1 [Q2 [Q3 Q4]]]]]. clear IH.
    pose proof (phase_NoDup (q :: h)) as I1. pose proof (phase_length (q :: h)) as I2. set (h' := q :: h) in *.
    cbn [phase]. destruct (phase h') as [[D f] c] eqn:E. cbn [fst snd] in I1, I2, Q2, Q4.
    (* the same phase *)
    assert (Same : forall D', incl D' (p :: D) -> exists C0 X, is_cache k C0 /\ incl D' (C0 ++ X) /\ incl d (C0 ++ X) /\ f + length X <= m).
    { intros D' HD. exists C0, (X ++ minus d (C0 ++ X)). split; auto.
      assert (Hd : incl d (C0 ++ X ++ minus d (C0 ++ X))).
      { intros x Hx. rewrite app_assoc. apply in_or_app. destruct (in_dec Nat.eq_dec x (C0 ++ X)); auto.
        right. apply minus_In; auto. }
      split; [|split; auto].
      - intros x Hx. apply HD in Hx. destruct Hx as [<-|Hx]; [apply Hd; auto|].
        rewrite app_assoc. apply in_or_app. left. apply Q2; auto.
      - rewrite app_length.
        assert (length (minus d (C0 ++ X)) <= length (minus d e)).
        { apply NoDup_incl_length; [apply minus_NoDup, R2|]. intros x Hx. apply minus_In in Hx. apply minus_In.
          destruct Hx as [X1 X2]. split; auto. }
        lia. }
    destruct (mem p D) eqn:Em.
    + cbn [fst snd]. apply Same. intros x Hx. right; auto.
    + destruct (length D <? k) eqn:El; cbn [fst snd].
      * apply Same. intros x; auto.
      * assert (Hp : ~ In p D) by (rewrite <- mem_In; congruence). apply Nat.ltb_ge in El.
        exists d, []. rewrite app_nil_r. split; auto. split; [intros x [<-|[]]; auto|]. split; [intros x; auto|].
        cbn [length]. destruct X as [|x0 X]; [|simpl in Q4; lia].
        rewrite app_nil_r in Q2, Q3.
        assert (Hc : incl C0 D) by (apply NoDup_length_incl; auto; destruct Q1; lia).
        assert (Hpe : ~ In p e) by (intros Hin; apply Hp, Hc, Q3; auto).
        assert (1 <= length (minus d e)).
        { assert (H : In p (minus d e)) by (apply minus_In; auto). destruct (minus d e); [inversion H|simpl; lia]. }
        simpl in Q4. lia.
Qed.


Theorem phases_paid h m : schedule k [] (rev h) m -> snd (fst (phase h)) <= m.
Proof.
  intros Hs. apply schedule_runs in Hs. destruct Hs as [d Hr].
  destruct h as [|p h]; [simpl; lia|].
  destruct (offline_pays (p :: h) m d ltac:(discriminate) Hr) as [C0 [X [_ [_ [_ Q]]]]]. lia.
Qed.
End Phases.
