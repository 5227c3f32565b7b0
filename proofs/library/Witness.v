(* A checker of lower bounds on a machine's ratio: a cycle of requests on which it pays A and some schedule at most B. *)
From Coq Require Import List Arith Bool Lia ZArith PArith.
From LP.library Require Import Model Machine.
Import ListNotations.

Section Witness.
Variables l n k : nat.
Hypothesis l_pos : 0 < l.
Variable St : Type.
Variable init : St.
Variable step : nat -> St -> nat -> St * nat.
Notation cost := (cost l St step).
Notation final := (final l St step).
Notation runs := (runs k).

Definition nodupb (c : cache) : bool := if list_eq_dec Nat.eq_dec (nodup Nat.eq_dec c) c then true else false.
Fixpoint runb (c : cache) (s : list nat) (cs : list cache) : option (nat * cache) :=
  match s, cs with
  | [], [] => Some (0, c)
  | p :: s', c' :: cs' =>
      if nodupb c' && (length c' <=? k) && mem p c' then
        match runb c' s' cs' with Some (m, d) => Some (length (minus c' c) + m, d) | None => None end
      else None
  | _, _ => None
  end.
Lemma runb_ok s : forall c cs m d, runb c s cs = Some (m, d) -> runs c s m d.
Proof.
  induction s as [|p s IH]; intros c [|c' cs] m d; simpl; try discriminate.
  - intros [= <- <-]. constructor.
  - destruct (nodupb c' && (length c' <=? k) && mem p c') eqn:E; [|discriminate].
    destruct (runb c' s cs) as [[m' d']|] eqn:E2; [|discriminate]. intros [= <- <-].
    rewrite !andb_true_iff in E. destruct E as [[E1 E3] E4]. constructor; auto.
    + split; [|now apply Nat.leb_le]. unfold nodupb in E1. destruct (list_eq_dec _ _ _) as [<-|]; [|discriminate].
      apply NoDup_nodup.
    + now apply mem_In.
    + eauto.
Qed.

Fixpoint layeredb (t : nat) (s : list nat) : bool :=
  match s with [] => true | p :: s' => (p <? l * n) && (p / n =? t mod l) && layeredb (S t) s' end.
Lemma layeredb_ok s : forall t, layeredb t s = true -> layered l n t s.
Proof.
  induction s; simpl; intros t; auto. rewrite !andb_true_iff. intros [[H1 H2] H3].
  apply Nat.ltb_lt in H1. apply Nat.eqb_eq in H2. unfold layer. auto.
Qed.
Variable St_eqb : St -> St -> bool.
Hypothesis St_eqb_ok : forall a b, St_eqb a b = true -> a = b.

Definition witness (u w : list nat) (cu cw : list cache) (A B : nat) : bool :=
  let st := final 0 init u in
  layeredb 0 u && layeredb 0 w && (length u mod l =? 0) && (length w mod l =? 0) &&
  St_eqb (final 0 st w) st && (cost 0 st w =? A) &&
  match runb [] u cu with
  | Some (_, c) => match runb c w cw with
      | Some (m, d) => (m <=? B) && (if list_eq_dec Nat.eq_dec c d then true else false)
      | None => false end
  | None => false end.

Fixpoint times (N : nat) (w : list nat) : list nat := match N with 0 => [] | S M => w ++ times M w end.

Theorem witness_sound u w cu cw A B P Q add : witness u w cu cw A B = true -> (0 <= P)%Z -> (0 <= Q)%Z ->
  (forall s m, layered l n 0 s -> schedule k [] s m -> (Q * Z.of_nat (cost 0 init s) <= P * Z.of_nat m + add)%Z) ->
  (Q * Z.of_nat A <= P * Z.of_nat B)%Z.
Proof.
  intros H HP HQ Hall. unfold witness in H. rewrite !andb_true_iff in H.
  destruct H as [[[[[[H1 H2] H3] H4] H5] H6] H7].
  destruct (runb [] u cu) as [[b0 c]|] eqn:Eu; [|discriminate].
  destruct (runb c w cw) as [[b d]|] eqn:Ew; [|discriminate].
  rewrite andb_true_iff in H7. destruct H7 as [H7 H8].
  destruct (list_eq_dec _ _ _) as [<-|]; [|discriminate].
  apply Nat.leb_le in H7. apply Nat.eqb_eq in H3, H4, H6. apply St_eqb_ok in H5.
  apply layeredb_ok in H1, H2. apply runb_ok in Eu, Ew.
  set (st := final 0 init u) in *.
  assert (Hz : length u mod l = 0 mod l) by (rewrite H3, Nat.mod_0_l; lia).
  assert (Hw : length w mod l = 0 mod l) by (rewrite H4, Nat.mod_0_l; lia).
  assert (Hc : forall N, cost 0 st (times N w) = N * A /\ layered l n 0 (times N w) /\ runs c (times N w) (N * b) c).
  { induction N as [|N [I1 [I2 I3]]]; simpl; [repeat split; auto; constructor|].
    rewrite (cost_app l), H5, H6. simpl. rewrite (cost_mod l St step l_pos _ (length w) 0) by auto. rewrite I1. repeat split.
    - apply layered_app; auto. simpl. apply layered_mod with 0; auto.
    - eapply runs_app; eauto. }
  assert (Hmain : forall N, (Q * (Z.of_nat N * Z.of_nat A) <= P * Z.of_nat b0 + P * (Z.of_nat N * Z.of_nat B) + add)%Z).
  { intros N. destruct (Hc N) as [I1 [I2 I3]].
    assert (L : layered l n 0 (u ++ times N w)).
    { apply layered_app; auto. simpl. apply layered_mod with 0; auto. }
    assert (R : runs [] (u ++ times N w) (b0 + N * b) c) by (eapply runs_app; eauto).
    apply runs_schedule in R. specialize (Hall _ _ L R).
    rewrite (cost_app l) in Hall. simpl in Hall. fold st in Hall.
    rewrite (cost_mod l St step l_pos _ (length u) 0) in Hall by auto. rewrite I1 in Hall.
    rewrite !Nat2Z.inj_add, !Nat2Z.inj_mul in Hall.
    assert (Hb : (P * (Z.of_nat N * Z.of_nat b) <= P * (Z.of_nat N * Z.of_nat B))%Z)
      by (apply Z.mul_le_mono_nonneg_l; [lia|apply Z.mul_le_mono_nonneg_l; lia]).
    assert (Hq : (0 <= Q * Z.of_nat (cost 0 init u))%Z) by (apply Z.mul_nonneg_nonneg; lia).
    rewrite !Z.mul_add_distr_l in Hall. lia. }
  destruct (Z_le_gt_dec (Q * Z.of_nat A) (P * Z.of_nat B)); auto. exfalso.
  set (D := (P * Z.of_nat b0 + Z.abs add + 1)%Z).
  assert (HD : (0 <= D)%Z) by (unfold D; nia).
  specialize (Hmain (Z.to_nat D)). rewrite Z2Nat.id in Hmain by auto.
  assert (Hge : (D * (P * Z.of_nat B + 1) <= D * (Q * Z.of_nat A))%Z) by (apply Z.mul_le_mono_nonneg_l; lia).
  replace (Q * (D * Z.of_nat A))%Z with (D * (Q * Z.of_nat A))%Z in Hmain by ring.
  replace (P * (D * Z.of_nat B))%Z with (D * (P * Z.of_nat B + 1) - D)%Z in Hmain by ring.
  assert (D = P * Z.of_nat b0 + Z.abs add + 1)%Z by reflexivity. lia.
Qed.
End Witness.
