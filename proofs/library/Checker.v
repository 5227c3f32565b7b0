(* A checker of upper bounds on a machine's ratio: a table of potentials, one for each reachable pair of states.
   Each of its rows is checked against every request and every lazy answer to it. *)
From Coq Require Import List Arith Bool Lia ZArith PArith FMapPositive.
From LP.library Require Import Model Laziness Machine.
Import ListNotations.

Section Checker.
Variables l n k : nat.
Variable St : Type.
Variable init : St.
Variable step : nat -> St -> nat -> St * nat.
Variable St_eqb : St -> St -> bool.
Hypothesis St_eqb_ok : forall a b, St_eqb a b = true -> a = b.
Variable code : St -> positive.                 (* a hash: it need not be injective *)
Notation layer := (layer n).
Notation layered := (layered l n).
Notation schedule := (schedule k).
Notation lazy_schedule := (lazy_schedule k).
Notation lazy_answers := (lazy_answers k).
Notation cost := (cost l St step).

Record node := Node { nlayer : nat; nstate : St; ncache : cache }.

Fixpoint list_eqb (a b : list nat) : bool :=
  match a, b with
  | [], [] => true
  | x :: a', y :: b' => (x =? y) && list_eqb a' b'
  | _, _ => false
  end.
Lemma list_eqb_ok a : forall b, list_eqb a b = true -> a = b.
Proof.
  induction a; destruct b; simpl; intros H; auto; try discriminate.
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Nat.eqb_eq in H1. subst. f_equal; auto.
Qed.

Definition node_eqb (a b : node) : bool :=
  (nlayer a =? nlayer b) && St_eqb (nstate a) (nstate b) && list_eqb (ncache a) (ncache b).
Lemma node_eqb_ok a b : node_eqb a b = true -> a = b.
Proof.
  unfold node_eqb. rewrite !andb_true_iff. intros [[H1 H2] H3].
  apply Nat.eqb_eq in H1. apply St_eqb_ok in H2. apply list_eqb_ok in H3.
  destruct a, b; simpl in *; subst; auto.
Qed.

(* caches are compared as sets: kept sorted *)
Fixpoint insert (x : nat) (c : list nat) : list nat :=
  match c with [] => [x] | y :: r => if x <=? y then x :: c else y :: insert x r end.
Definition sort (c : list nat) : list nat := fold_right insert [] c.

Fixpoint code_list (c : list nat) (a : positive) : positive :=
  match c with [] => a | x :: r => code_list r (Pos.of_succ_nat x + 16 * a)%positive end.
Definition code_node (v : node) : positive :=
  code_list (nlayer v :: ncache v) (code (nstate v)).

Definition table := PositiveMap.t (node * Z).
Definition build (rows : list (node * Z)) : table :=
  fold_right (fun r t => PositiveMap.add (code_node (fst r)) r t) (PositiveMap.empty _) rows.
Definition look (t : table) (v : node) : option Z :=
  match PositiveMap.find (code_node v) t with
  | Some (w, z) => if node_eqb w v then Some z else None
  | None => None
  end.

Variables P Q : Z.   (* the ratio is P / Q *)

Definition arc_ok (t : table) (v : node) (here : Z) (p : nat) : bool :=
  let (st', m) := step (nlayer v) (nstate v) p in
  forallb (fun oc : nat * cache =>
    match look t (Node (S (nlayer v) mod l) st' (sort (snd oc))) with
    | Some there => (Q * Z.of_nat m + there <=? P * Z.of_nat (fst oc) + here)%Z
    | None => false
    end) (lazy_answers (ncache v) p).

Definition row_ok (t : table) (r : node * Z) : bool :=
  (0 <=? snd r)%Z && forallb (arc_ok t (fst r) (snd r)) (seq (nlayer (fst r) * n) n).

Definition check (rows : list (node * Z)) (add : Z) : bool :=
  let t := build rows in
  forallb (row_ok t) rows &&
  match look t (Node 0 init []) with Some z => (z <=? add)%Z | None => false end.

(* what a table says comes from its rows *)
Lemma build_rows rows : forall key r, PositiveMap.find key (build rows) = Some r -> In r rows.
Proof.
  induction rows as [|r0 rows IH]; simpl; intros key r H.
  - rewrite PositiveMap.gempty in H. discriminate.
  - destruct (Pos.eq_dec key (code_node (fst r0))) as [->|N].
    + rewrite PositiveMap.gss in H. left. congruence.
    + rewrite PositiveMap.gso in H; auto. right. eauto.
Qed.

Lemma look_row rows v z : look (build rows) v = Some z -> In (v, z) rows.
Proof.
  unfold look. destruct (PositiveMap.find _ _) as [[w z']|] eqn:E; [|discriminate].
  destruct (node_eqb w v) eqn:E2; [|discriminate]. intros [= ->].
  apply node_eqb_ok in E2. subst. eapply build_rows; eauto.
Qed.

(* lazy answers only depend on the set: sorting a cache changes nothing *)
Definition same (a b : cache) : Prop := NoDup a /\ NoDup b /\ forall x, In x a <-> In x b.

Lemma insert_In x c y : In y (insert x c) <-> y = x \/ In y c.
Proof.
  induction c; simpl; [intuition|]. destruct (x <=? a); simpl; [intuition|]. rewrite IHc. intuition.
Qed.
Lemma sort_In c y : In y (sort c) <-> In y c.
Proof. induction c; simpl; [tauto|]. rewrite insert_In, IHc. intuition. Qed.
Lemma insert_NoDup x c : NoDup c -> ~ In x c -> NoDup (insert x c).
Proof.
  induction 1; simpl; intros Hn; [constructor; auto; constructor|].
  destruct (x <=? x0); [constructor; auto; constructor; auto|].
  constructor; [rewrite insert_In; simpl in Hn; intuition|]. apply IHNoDup. simpl in Hn; tauto.
Qed.
Lemma sort_NoDup c : NoDup c -> NoDup (sort c).
Proof. induction 1; simpl; [constructor|]. apply insert_NoDup; auto. rewrite sort_In; auto. Qed.

Lemma same_length a b : same a b -> length a = length b.
Proof.
  intros [H1 [H2 H3]]. apply Nat.le_antisymm; apply NoDup_incl_length; auto; intros x; apply H3.
Qed.
Lemma same_mem a b p : same a b -> mem p a = mem p b.
Proof.
  intros [_ [_ H]]. destruct (mem p a) eqn:E.
  - symmetry. apply mem_In, H, mem_In; auto.
  - symmetry. apply not_true_iff_false. intros H1. apply mem_In, H, mem_In in H1. congruence.
Qed.

Lemma answers_cache c p o c' : NoDup c -> In (o, c') (lazy_answers c p) -> NoDup c'.
Proof.
  intros Hc. unfold lazy_answers. destruct (mem p c) eqn:E.
  - intros [[= <- <-]|[]]; auto.
  - assert (Hn : ~ In p c) by (rewrite <- mem_In; congruence).
    destruct (length c <? k).
    + intros [[= <- <-]|[]]. constructor; auto.
    + rewrite in_map_iff. intros [x [[= <- <-] Hx]]. constructor; [|now apply NoDup_remove_eq].
      intros H. apply in_remove in H. tauto.
Qed.

Lemma same_answers a b p o a' : same a b -> In (o, a') (lazy_answers a p) ->
  exists b', In (o, b') (lazy_answers b p) /\ same a' b'.
Proof.
  intros Hs H. pose proof (answers_cache a p o a' (proj1 Hs) H) as Hnd.
  unfold lazy_answers in *. rewrite <- (same_mem a b p Hs), <- (same_length a b Hs).
  destruct Hs as [Ha [Hb Hab]].
  destruct (mem p a) eqn:E.
  - destruct H as [[= <- <-]|[]]. exists b. split; [now left|]. split; auto.
  - assert (Hn : ~ In p a) by (rewrite <- mem_In; congruence).
    destruct (length a <? k).
    + destruct H as [[= <- <-]|[]]. exists (p :: b). split; [now left|].
      repeat split; auto; [constructor; auto; now rewrite <- Hab| |]; intros [->|?]; simpl; auto; right; now apply Hab.
    + apply in_map_iff in H. destruct H as [x [[= <- <-] Hx]].
      exists (p :: remove Nat.eq_dec x b). split; [apply in_map_iff; exists x; split; auto; now apply Hab|].
      assert (Hr : forall y, In y (remove Nat.eq_dec x a) <-> In y (remove Nat.eq_dec x b)).
      { intros y. split; intros Hy; apply in_remove in Hy; destruct Hy; apply in_in_remove; auto; now apply Hab. }
      repeat split; auto.
      * constructor; [|now apply NoDup_remove_eq]. intros H1. apply in_remove in H1.
        apply Hn, Hab, H1.
      * simpl. intros [->|Hy]; auto. right; now apply Hr.
      * simpl. intros [->|Hy]; auto. right; now apply Hr.
Qed.

Lemma same_sort a b : same a b -> same a (sort b).
Proof.
  intros [H1 [H2 H3]]. repeat split; auto; [now apply sort_NoDup| |]; intros H; [rewrite sort_In; now apply H3|].
  rewrite sort_In in H. now apply H3.
Qed.

Hypothesis l_pos : 0 < l.
Hypothesis n_pos : 0 < n.

Lemma sound_from rows : forallb (row_ok (build rows)) rows = true ->
  forall s t st c d z m, layered t s -> lazy_schedule c s m -> same c d ->
  In (Node (t mod l) st d, z) rows ->
  (Q * Z.of_nat (cost t st s) <= P * Z.of_nat m + z)%Z.
Proof.
  intros Hrows. induction s as [|p s IH]; intros t st c d z m Hlay Hs Hsame Hin.
  - inversion Hs; subst. simpl. rewrite forallb_forall in Hrows. apply Hrows in Hin.
    unfold row_ok in Hin. apply andb_true_iff in Hin. destruct Hin as [H _].
    apply Z.leb_le in H. simpl in H. lia.
  - inversion Hs as [|c0 p0 s0 o c' m' Hans Hrest]; subst.
    destruct Hlay as [Hp [Hl Hlay]].
    pose proof Hrows as Hr. rewrite forallb_forall in Hr. specialize (Hr _ Hin).
    unfold row_ok in Hr. apply andb_true_iff in Hr. destruct Hr as [_ Hr]. simpl in Hr.
    rewrite forallb_forall in Hr.
    assert (Hpin : In p (seq (t mod l * n) n)).
    { apply in_seq. unfold layer in Hl. rewrite <- Hl.
      pose proof (Nat.div_mod p n ltac:(lia)). pose proof (Nat.mod_upper_bound p n ltac:(lia)). nia. }
    specialize (Hr _ Hpin). unfold arc_ok in Hr. simpl in Hr.
    destruct (same_answers c d p o c' Hsame Hans) as [d' [Hd' Hsd]].
    simpl. destruct (step (t mod l) st p) as [st' mi] eqn:Est.
    rewrite forallb_forall in Hr. specialize (Hr _ Hd'). simpl in Hr.
    destruct (look (build rows) _) as [there|] eqn:El; [|discriminate].
    apply look_row in El. apply Z.leb_le in Hr.
    assert (Hmod : S (t mod l) mod l = S t mod l).
    { replace (S t) with (t + 1) by lia. replace (S (t mod l)) with (t mod l + 1) by lia.
      rewrite Nat.add_mod_idemp_l; lia. }
    rewrite Hmod in El.
    specialize (IH (S t) st' c' (sort d') there m' Hlay Hrest (same_sort _ _ Hsd) El).
    rewrite !Nat2Z.inj_add. lia.
Qed.

(* THE CHECKER IS SOUND: against every schedule, lazy or not, on every layered sequence of every length *)
Theorem check_sound rows add : check rows add = true -> (0 <= P)%Z ->
  forall s m, layered 0 s -> schedule [] s m ->
  (Q * Z.of_nat (cost 0 init s) <= P * Z.of_nat m + add)%Z.
Proof.
  intros H HP s m Hlay Hs. unfold check in H. apply andb_true_iff in H. destruct H as [Hrows H0].
  destruct (look (build rows) _) as [z|] eqn:E; [|discriminate]. apply Z.leb_le in H0.
  apply look_row in E.
  destruct (lazy_optimal k s m Hs) as [m' [Hm' Hle]].
  assert (Hin : In (Node (0 mod l) init [], z) rows) by (rewrite Nat.mod_0_l by lia; auto).
  assert (Hsame : same [] []) by (repeat split; auto; constructor).
  pose proof (sound_from rows Hrows s 0 init [] [] z m' Hlay Hm' Hsame Hin). nia.
Qed.
End Checker.
