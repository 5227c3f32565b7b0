(* Randomized online algorithms: finite distributions as weighted lists of caches, with weights in Q. *)
From Coq Require Import List Arith Bool Lia Lqa.
From Coq Require Export QArith.
From LP.library Require Import Model.
Import ListNotations.
Local Open Scope Q_scope.

Definition dist (A : Type) : Type := list (Q * A).
Fixpoint mean {A} (d : dist A) (f : A -> Q) : Q := match d with [] => 0 | (w, x) :: r => w * f x + mean r f end.
Definition bind {A B} (d : dist A) (g : A -> dist B) : dist B :=
  flat_map (fun x => map (fun y => (fst x * fst y, snd y)) (g (snd x))) d.
Definition is_law {A} (d : dist A) : Prop := (forall w x, In (w, x) d -> 0 <= w) /\ mean d (fun _ => 1) == 1.

Lemma mean_ext {A} (d : dist A) f g : (forall w x, In (w, x) d -> f x == g x) -> mean d f == mean d g.
Proof.
  induction d as [|[w x] d IH]; simpl; intros H; [reflexivity|]. rewrite (H w x) by auto. rewrite IH; [reflexivity|].
  intros v y Hy. apply (H v). auto.
Qed.
Lemma mean_app {A} (d e : dist A) f : mean (d ++ e) f == mean d f + mean e f.
Proof. induction d as [|[w x] d IH]; simpl; [ring|]. rewrite IH. ring. Qed.
Lemma mean_scaled {A} a (d : dist A) f : mean (map (fun y => (a * fst y, snd y)) d) f == a * mean d f.
Proof. induction d as [|[w x] d IH]; simpl; [ring|]. rewrite IH. ring. Qed.
Lemma mean_mult {A} a (d : dist A) f : mean d (fun x => a * f x) == a * mean d f.
Proof. induction d as [|[w x] d IH]; simpl; [ring|]. rewrite IH. ring. Qed.
Lemma mean_plus {A} (d : dist A) f g : mean d (fun x => f x + g x) == mean d f + mean d g.
Proof. induction d as [|[w x] d IH]; simpl; [ring|]. rewrite IH. ring. Qed.
Lemma mean_bind {A B} (d : dist A) (g : A -> dist B) f : mean (bind d g) f == mean d (fun x => mean (g x) f).
Proof.
  induction d as [|[w x] d IH]; simpl; [reflexivity|]. rewrite mean_app, mean_scaled. unfold bind in IH. rewrite IH. reflexivity.
Qed.
Lemma bind_In {A B} (d : dist A) (g : A -> dist B) w y : In (w, y) (bind d g) ->
  exists u x v, In (u, x) d /\ In (v, y) (g x) /\ w = u * v.
Proof.
  unfold bind. rewrite in_flat_map. intros [[u x] [H1 H2]]. apply in_map_iff in H2. destruct H2 as [[v z] [E H2]].
  simpl in *. injection E as <- <-. eauto 10.
Qed.
Lemma bind_law {A B} (d : dist A) (g : A -> dist B) : is_law d -> (forall w x, In (w, x) d -> is_law (g x)) -> is_law (bind d g).
Proof.
  intros [H1 H2] H. split.
  - intros w y Hy. apply bind_In in Hy. destruct Hy as [u [x [v [X1 [X2 ->]]]]]. apply Qmult_le_0_compat; [eauto|].
    apply (proj1 (H u x X1) v y X2).
  - rewrite mean_bind. rewrite (mean_ext d _ (fun _ => 1)); auto. intros w x Hx. apply (H w x Hx).
Qed.

(* what a cache loads *)
Definition q (m : nat) : Q := inject_Z (Z.of_nat m).
Definition loads (c c' : cache) : Q := q (length (minus c' c)).
(* whether a page is absent *)
Definition gone (y : nat) (c : cache) : Q := if mem y c then 0 else 1.

Section Randomized.
Variable kernel : list nat -> cache -> dist cache.   (* history, its newest request included; cache before it *)
Fixpoint law (h : list nat) : dist cache := match h with [] => [(1, [])] | p :: h' => bind (law h') (kernel h) end.
Fixpoint expected (h : list nat) : Q :=
  match h with [] => 0 | p :: h' => expected h' + mean (law h') (fun c => mean (kernel h c) (loads c)) end.
(* on layered sequences, from the empty cache, it chooses among caches of at most k pages that hold the page requested *)
Definition randomized (l n k : nat) : Prop := forall p h, layered l n 0 (rev (p :: h)) -> forall w c, In (w, c) (law h) ->
  is_law (kernel (p :: h) c) /\ forall v c', In (v, c') (kernel (p :: h) c) -> is_cache k c' /\ In p c'.
End Randomized.

(* the expected ratio is at most r; the best expected ratio is r *)
Definition expected_at_most (l n k : nat) (kernel : list nat -> cache -> dist cache) (r : Q) : Prop := exists add, forall h m,
  layered l n 0 (rev h) -> schedule k [] (rev h) m -> expected kernel h <= r * q m + add.
Definition best_randomized (l n k : nat) (r : Q) : Prop :=
  (exists kernel, randomized kernel l n k /\ expected_at_most l n k kernel r) /\
  forall kernel, randomized kernel l n k -> forall s, 0 <= s -> expected_at_most l n k kernel s -> r <= s.

Fixpoint harmonic (m : nat) : Q := match m with O => 0 | S r => harmonic r + / q (S r) end.

Lemma q_S m : q (S m) == q m + 1.
Proof. unfold q. rewrite Nat2Z.inj_succ, <- Z.add_1_r, inject_Z_plus. reflexivity. Qed.
Lemma q_plus a b : q (a + b) == q a + q b.
Proof. unfold q. rewrite Nat2Z.inj_add, inject_Z_plus. reflexivity. Qed.
Lemma q_mult a b : q (a * b) == q a * q b.
Proof. unfold q. rewrite Nat2Z.inj_mul, inject_Z_mult. reflexivity. Qed.
Lemma q_le a b : (a <= b)%nat -> q a <= q b.
Proof. intros H. unfold q. rewrite <- Zle_Qle. lia. Qed.
Lemma q_pos m : (0 < m)%nat -> 0 < q m.
Proof. intros H. unfold q. change 0 with (inject_Z 0). rewrite <- Zlt_Qlt. lia. Qed.
Lemma q_0 m : 0 <= q m.
Proof. change 0 with (q 0). apply q_le. lia. Qed.
Lemma q_inv m : 0 <= / q m.
Proof. apply Qinv_le_0_compat, q_0. Qed.

(* sums over lists of pages *)
Fixpoint sum (f : nat -> Q) (L : list nat) : Q := match L with [] => 0 | x :: r => f x + sum f r end.
Lemma sum_ext f g L : (forall x, In x L -> f x == g x) -> sum f L == sum g L.
Proof. induction L as [|x L IH]; simpl; intros H; [reflexivity|]. rewrite (H x), IH by auto. reflexivity. Qed.
Lemma sum_plus f g L : sum (fun x => f x + g x) L == sum f L + sum g L.
Proof. induction L as [|x L IH]; simpl; [ring|]. rewrite IH. ring. Qed.
Lemma sum_count (P : nat -> bool) a L : sum (fun x => if P x then a else 0) L == q (length (filter P L)) * a.
Proof.
  induction L as [|x L IH]; simpl; [unfold q; simpl; ring|]. rewrite IH. destruct (P x); simpl length; [rewrite q_S; ring|ring].
Qed.
Lemma sum_remove f x L : NoDup L -> In x L -> sum f L == f x + sum f (remove Nat.eq_dec x L).
Proof.
  induction 1 as [|y L Hy HL IH]; intros H; [inversion H|]. simpl. destruct (Nat.eq_dec x y) as [->|N].
  - rewrite notin_remove by auto. reflexivity.
  - destruct H as [H|H]; [congruence|]. rewrite (IH H). simpl. ring.
Qed.
Lemma sum_same f L : NoDup L -> forall M, NoDup M -> (forall x, In x L <-> In x M) -> sum f L == sum f M.
Proof.
  induction 1 as [|x L Hx HL IH]; intros M HM H.
  - destruct M as [|y M]; [reflexivity|]. exfalso. apply (proj2 (H y)). left; auto.
  - rewrite (sum_remove f x M HM) by (apply H; left; auto). simpl. rewrite (IH (remove Nat.eq_dec x M)).
    + reflexivity.
    + apply NoDup_remove_eq; auto.
    + intros y. split; intros Hy.
      * apply in_in_remove; [intros ->; tauto|]. apply H. right; auto.
      * apply in_remove in Hy. destruct Hy as [Y1 Y2]. apply H in Y1. destruct Y1 as [?|?]; [congruence|auto].
Qed.
Lemma mean_chosen {A} (t : nat -> Q) (g : nat -> A) f L : mean (map (fun y => (t y, g y)) L) f == sum (fun y => t y * f (g y)) L.
Proof. induction L as [|x L IH]; simpl; [reflexivity|]. rewrite IH. reflexivity. Qed.
Lemma sum_app f L M : sum f (L ++ M) == sum f L + sum f M.
Proof. induction L as [|x L IH]; simpl; [ring|]. rewrite IH. ring. Qed.
Lemma sum_map f g L : sum f (map g L) = sum (fun x => f (g x)) L.
Proof. induction L as [|x L IH]; simpl; auto. rewrite IH. auto. Qed.
Lemma sum_mean {A} (d : dist A) (F : nat -> A -> Q) L :
  sum (fun y => mean d (F y)) L == mean d (fun c => sum (fun y => F y c) L).
Proof.
  induction L as [|x L IH]; simpl.
  - induction d as [|[w c] d IH]; simpl; [reflexivity|]. rewrite <- IH. ring.
  - rewrite IH, mean_plus. reflexivity.
Qed.
Lemma mean_le {A} (d : dist A) f g : (forall w x, In (w, x) d -> 0 <= w /\ f x <= g x) -> mean d f <= mean d g.
Proof.
  induction d as [|[w x] d IH]; simpl; intros H; [lra|]. destruct (H w x (or_introl eq_refl)) as [H1 H2].
  assert (w * f x <= w * g x) by (rewrite !(Qmult_comm w); apply Qmult_le_compat_r; auto).
  assert (mean d f <= mean d g) by (apply IH; intros v y Hy; apply H; auto). lra.
Qed.
Lemma mean_const {A} (d : dist A) a : mean d (fun _ => 1) == 1 -> mean d (fun _ => a) == a.
Proof.
  intros H. rewrite (mean_ext d _ (fun _ => a * 1)) by (intros; ring). rewrite mean_mult, H. ring.
Qed.
Lemma sum_gone C Y : sum (fun y => gone y C) Y == q (length (minus Y C)).
Proof.
  rewrite (sum_ext _ (fun y => if negb (mem y C) then 1 else 0)).
  - rewrite sum_count. unfold minus. ring.
  - intros y _. unfold gone. destruct (mem y C); reflexivity.
Qed.
Lemma sum_le f g L : (forall y, In y L -> f y <= g y) -> sum f L <= sum g L.
Proof.
  induction L as [|y L IH]; simpl; intros H; [lra|]. assert (f y <= g y) by auto. assert (sum f L <= sum g L) by auto. lra.
Qed.
Lemma sum_scale a f L : sum (fun y => a * f y) L == a * sum f L.
Proof. induction L as [|y L IH]; simpl; [ring|]. rewrite IH. ring. Qed.
Lemma harmonic_0 m : 0 <= harmonic m.
Proof. induction m as [|m IH]; cbn [harmonic]; [lra|]. pose proof (q_inv (S m)). lra. Qed.
