(* What any randomized algorithm pays, in terms of the probabilities x h y that page y is absent after the history h. *)
From Coq Require Import List Arith Bool Lia QArith Lqa.
From LP.library Require Import Model Online Layers Chance.
Import ListNotations.
Local Open Scope Q_scope.

Section Absent.
Variables l n k : nat.
Variable kernel : list nat -> cache -> dist cache.
Hypothesis kernel_ok : randomized kernel l n k.
Definition x (h : list nat) (y : nat) : Q := mean (law kernel h) (gone y).
Notation expected := (expected kernel).

Lemma law_ok h : backwards l n h -> is_law (law kernel h) /\ forall w C, In (w, C) (law kernel h) ->
  is_cache k C /\ match h with [] => True | p :: _ => In p C end.
Proof.
  induction h as [|p h IH]; intros Hb.
  - split; [split; [intros w C [[= <- <-]|[]]; lra|simpl; ring]|]. intros w C [[= <- <-]|[]]. repeat split; [constructor|simpl; lia].
  - destruct (IH (proj2 (proj2 Hb))) as [I1 I2]. assert (K := kernel_ok p h (proj2 (layered_backwards l n (p :: h)) Hb)). split.
    + apply bind_law; auto. intros w C HC. apply (K w C HC).
    + intros w C' HC'. apply bind_In in HC'. destruct HC' as [u [C [v [X1 [X2 _]]]]]. apply (proj2 (K u C X1) v C' X2).
Qed.
Lemma x_0 h y : backwards l n h -> 0 <= x h y.
Proof.
  intros Hb. destruct (law_ok h Hb) as [[H1 _] _]. unfold x. rewrite <- (Qmult_0_l (mean (law kernel h) (gone y))), <- mean_mult.
  apply mean_le. intros w C HC. split; [eauto|]. unfold gone. destruct (mem y C); lra.
Qed.
Lemma x_self p h : backwards l n (p :: h) -> x (p :: h) p == 0.
Proof.
  intros Hb. destruct (law_ok _ Hb) as [_ H]. unfold x. rewrite (mean_ext _ _ (fun C => 0 * gone p C)); [rewrite mean_mult; ring|].
  intros w C HC. destruct (H w C HC) as [_ Hp]. apply mem_In in Hp. unfold gone. rewrite Hp. ring.
Qed.
(* more pages than slots: one is absent at least *)
Lemma x_total h L : backwards l n h -> NoDup L -> (k < length L)%nat -> 1 <= sum (x h) L.
Proof.
  intros Hb HL Hk. destruct (law_ok h Hb) as [[H1 H2] H3]. unfold x. rewrite sum_mean, <- H2. apply mean_le.
  intros w C HC. split; [eauto|]. rewrite sum_gone. change 1 with (q 1). apply q_le. destruct (H3 w C HC) as [[C1 C2] _].
  destruct (minus L C) as [|y r] eqn:E; [|simpl; lia]. exfalso. assert (Hi : incl L C).
  { intros y Hy. destruct (in_dec Nat.eq_dec y C) as [|N]; auto. assert (In y (minus L C)) by (apply minus_In; auto).
    rewrite E in H. inversion H. }
  apply NoDup_incl_length in Hi; auto. lia.
Qed.

(* one request: what gets present has been paid for *)
Lemma one_pays p h Y : backwards l n (p :: h) -> NoDup Y -> expected h + sum (x h) Y <= expected (p :: h) + sum (x (p :: h)) Y.
Proof.
  intros Hb HY. destruct (law_ok h (proj2 (proj2 Hb))) as [[H1 H2] H3].
  assert (K := kernel_ok p h (proj2 (layered_backwards l n (p :: h)) Hb)). unfold x. rewrite !sum_mean.
  cbn [law Chance.expected]. rewrite mean_bind, <- Qplus_assoc, <- mean_plus.
  assert (L : mean (law kernel h) (fun C => sum (fun y => gone y C) Y) <=
              mean (law kernel h) (fun C => mean (kernel (p :: h) C) (loads C) + mean (kernel (p :: h) C) (fun C' => sum (fun y => gone y C') Y))).
  { apply mean_le. intros w C HC. split; [eauto|]. destruct (K w C HC) as [[K1 K2] K3]. rewrite <- mean_plus.
    rewrite <- (mean_const (kernel (p :: h) C) (sum (fun y => gone y C) Y) K2). apply mean_le. intros v C' HC'. split; [eauto|].
    rewrite !sum_gone. unfold loads. rewrite <- q_plus. apply q_le. rewrite Nat.add_comm. apply minus_trans. auto. }
  lra.
Qed.
Lemma expected_grows s h : backwards l n (s ++ h) -> expected h <= expected (s ++ h).
Proof.
  induction s as [|p s IH]; intros Hb; [apply Qle_refl|]. simpl app in *. specialize (IH (proj2 (proj2 Hb))).
  pose proof (one_pays p (s ++ h) [] Hb (NoDup_nil _)). simpl sum in H. lra.
Qed.

(* the window principle: pages that are requested in a window cost what their absence was at its beginning *)
Lemma window_pays Y h : NoDup Y -> forall s, backwards l n (s ++ h) -> incl Y s -> expected h + sum (x h) Y <= expected (s ++ h).
Proof.
  intros HY. assert (G : forall s, backwards l n (s ++ h) ->
    expected h + sum (x h) Y <= expected (s ++ h) + sum (x (s ++ h)) (filter (fun y => negb (mem y s)) Y)).
  { induction s as [|p s IH]; intros Hb.
    - simpl app. replace (filter (fun y => negb (mem y [])) Y) with Y; [lra|]. clear. induction Y as [|y r IH]; [auto|].
      simpl. f_equal. exact IH.
    - simpl app in *. specialize (IH (proj2 (proj2 Hb))).
      pose proof (one_pays p (s ++ h) (filter (fun y => negb (mem y s)) Y) Hb (NoDup_filter _ HY)) as O.
      assert (E : sum (x (p :: s ++ h)) (filter (fun y => negb (mem y s)) Y) ==
                  sum (x (p :: s ++ h)) (filter (fun y => negb (mem y (p :: s))) Y)).
      { clear - Hb kernel_ok. induction Y as [|y r IH]; simpl; [reflexivity|].
        assert (Em : mem y (p :: s) = ((y =? p)%nat || mem y s)%bool).
        { apply eq_true_iff_eq. rewrite orb_true_iff, Nat.eqb_eq, !mem_In. simpl. intuition congruence. }
        rewrite Em. destruct (y =? p)%nat eqn:Ey; cbn [orb negb].
        - apply Nat.eqb_eq in Ey. subst y. destruct (mem p s); cbn [negb]; [exact IH|]. simpl sum. rewrite IH, x_self by auto. ring.
        - destruct (mem y s); cbn [negb]; [exact IH|]. simpl sum. rewrite IH. reflexivity. }
      lra. }
  intros s Hb Hi. specialize (G s Hb). replace (filter (fun y => negb (mem y s)) Y) with (@nil nat) in G; [simpl in G; lra|].
  symmetry. clear G HY. induction Y as [|y r IH]; simpl; auto. assert (Hm : mem y s = true) by (apply mem_In, Hi; left; auto).
  rewrite Hm. simpl. apply IH. intros z Hz. apply Hi. right; auto.
Qed.
End Absent.
