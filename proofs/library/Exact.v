(* The checker of exact ratios: one function of the data of a certificate, and what follows when it says true.
   `verify` and `verify_unbounded` are evaluated in the kernel for small certificates, and extracted for large ones. *)
From Coq Require Import List Arith Bool Lia ZArith.
From LP.library Require Import Model Machine Online Witness Renamed Policies.
Import ListNotations.

(* h: slots of the optimum; the ratio is P / Q exactly, and misses <= P/Q optimum + add/Q with nothing less than add *)
Definition exact (l n h : nat) (cost : list nat -> nat) (P Q add : nat) : Prop :=
  ratio l n h cost P Q /\
  (forall b m, layered l n 0 (rev b) -> schedule h [] (rev b) m -> Q * cost b <= P * m + add) /\
  (exists b m, layered l n 0 (rev b) /\ schedule h [] (rev b) m /\ P * m + add <= Q * cost b).
Definition at_least (l n h : nat) (cost : list nat -> nat) (P Q : nat) : Prop :=
  forall P' Q', at_most l n h cost P' Q' -> Q' * P <= P' * Q.
Definition unbounded (l n h : nat) (cost : list nat -> nat) : Prop :=
  forall P Q, at_most l n h cost P Q -> Q = 0.

Section Exact.
Variable a : policy.
Variables l n k h : nat.
Notation step := (policy_step l n k a).
Notation pay := (policy_cost l n k a).
Notation "'upper' P Q" := (check_rows l n h state [] step act state_eqb code_state (tidy_state n) (tidy_cache n)
  (Z.of_nat P) (Z.of_nat Q)) (at level 10, P at level 9, Q at level 9).

Definition attained (P Q add : nat) (s : list nat) (cs : list cache) : bool :=
  layeredb l n 0 s &&
  match runb h [] s cs with
  | Some (m, _) => P * m + add <=? Q * cost l state step 0 [] s
  | None => false
  end.

Definition verify (P Q add : nat) (rows : list (row state)) (u w : list nat) (cu cw : list cache) (A B : nat)
    (s : list nat) (cs : list cache) : bool :=
  (0 <? l) && (0 <? n) && (0 <? Q) && (0 <? B) && (P * B <=? Q * A) &&
  witness l n h state [] step state_eqb u w cu cw A B && attained P Q add s cs && upper P Q rows (Z.of_nat add).

Definition verify_lower (P Q : nat) (u w : list nat) (cu cw : list cache) (A B : nat) : bool :=
  (0 <? l) && (0 <? B) && (P * B <=? Q * A) && witness l n h state [] step state_eqb u w cu cw A B.

Definition verify_unbounded (u w : list nat) (cu cw : list cache) (A : nat) : bool :=
  (0 <? l) && (0 <? A) && witness l n h state [] step state_eqb u w cu cw A 0.

Lemma cycle_bounds u w cu cw A B : 0 < l -> witness l n h state [] step state_eqb u w cu cw A B = true ->
  forall P Q, at_most l n h pay P Q -> Q * A <= P * B.
Proof.
  intros Hl Hw P Q [add H].
  assert (G : (Z.of_nat Q * Z.of_nat A <= Z.of_nat P * Z.of_nat B)%Z).
  { apply (witness_sound l n h Hl state [] step state_eqb state_eqb_ok u w cu cw A B _ _ (Z.of_nat add) Hw); try lia.
    intros s m H1 H2. specialize (H (rev s) m). rewrite rev_involutive in H. specialize (H H1 H2).
    unfold policy_cost in H. rewrite rev_involutive in H. lia. }
  lia.
Qed.

Theorem verify_lower_sound P Q u w cu cw A B : verify_lower P Q u w cu cw A B = true -> at_least l n h pay P Q.
Proof.
  unfold verify_lower. rewrite !andb_true_iff. intros [[[H1 H2] H3] H4] P' Q' H.
  apply Nat.ltb_lt in H1, H2. apply Nat.leb_le in H3.
  pose proof (cycle_bounds u w cu cw A B H1 H4 P' Q' H) as G.
  assert (Q' * (P * B) <= Q' * (Q * A)) by (apply Nat.mul_le_mono_l; exact H3).
  assert (Q * (Q' * A) <= Q * (P' * B)) by (apply Nat.mul_le_mono_l; exact G).
  assert (B * (Q' * P) <= B * (P' * Q)); [|apply Nat.mul_le_mono_pos_l with B; auto].
  replace (B * (Q' * P)) with (Q' * (P * B)) by ring. replace (B * (P' * Q)) with (Q * (P' * B)) by ring.
  replace (Q * (Q' * A)) with (Q' * (Q * A)) in * by ring. lia.
Qed.

Theorem verify_sound P Q add rows u w cu cw A B s cs :
  verify P Q add rows u w cu cw A B s cs = true -> exact l n h pay P Q add.
Proof.
  unfold verify. rewrite !andb_true_iff. intros [[[[[[[H1 H2] H3] H4] H5] H6] H7] H8].
  apply Nat.ltb_lt in H1, H2, H3, H4. apply Nat.leb_le in H5.
  assert (U : forall b m, layered l n 0 (rev b) -> schedule h [] (rev b) m -> Q * pay b <= P * m + add).
  { intros b m Hb Hm. unfold policy_cost.
    pose proof (check_rows_sound l n h H1 H2 state [] step act state_eqb state_eqb_ok eq_refl
      act_act (fun f j st p Hf _ => policy_act l n k a f j st p Hf) code_state (tidy_state n) (tidy_cache n)
      (Z.of_nat P) (Z.of_nat Q) rows (Z.of_nat add) H8 ltac:(lia) (rev b) m Hb Hm). lia. }
  split; [|split; auto].
  - split; [lia|]. split; [exists add; exact U|]. apply (verify_lower_sound P Q u w cu cw A B).
    unfold verify_lower. rewrite !andb_true_iff. repeat split; auto; now apply Nat.ltb_lt || now apply Nat.leb_le.
  - unfold attained in H7. apply andb_true_iff in H7. destruct H7 as [L7 H7].
    destruct (runb h [] s cs) as [[m d]|] eqn:E; [|discriminate]. apply Nat.leb_le in H7.
    exists (rev s), m. unfold policy_cost. rewrite rev_involutive. split; [now apply layeredb_ok|].
    split; auto. apply runb_ok in E. eapply runs_schedule; eauto.
Qed.

Theorem verify_unbounded_sound u w cu cw A : verify_unbounded u w cu cw A = true -> unbounded l n h pay.
Proof.
  unfold verify_unbounded. rewrite !andb_true_iff. intros [[H1 H2] H3] P Q H. apply Nat.ltb_lt in H1, H2.
  pose proof (cycle_bounds u w cu cw A 0 H1 H3 P Q H). destruct Q; [auto|]. rewrite Nat.mul_0_r in H0. simpl in H0. lia.
Qed.
End Exact.
