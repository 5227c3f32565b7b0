(* Furthest next use (Belady) is optimal: for single requests, forced, on every sequence, whatever the schedules do. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Laziness.
From LP Require Import llru_upper.
Import ListNotations.

(* how many requests come before the next one to a page; all, if there is none *)
Fixpoint next_use (s : list nat) (x : nat) : nat :=
  match s with [] => 0 | p :: s' => if p =? x then 0 else S (next_use s' x) end.

(* the misses of the algorithm that evicts the cached page of furthest next use *)
Fixpoint belady (k : nat) (c : cache) (s : list nat) : nat :=
  match s with
  | [] => 0
  | p :: s' => if mem p c then belady k c s'
      else 1 + belady k (p :: if length c <? k then c else remove Nat.eq_dec (argmax (next_use s') c) c) s'
  end.

Section Belady.
Variable k : nat.

(* a schedule depends on the pages that it starts with, not on their order *)
Lemma schedule_same c c2 s m : (forall x, In x c <-> In x c2) -> schedule k c s m -> schedule k c2 s m.
Proof.
  intros H Hs. destruct Hs as [c|c c' p s m H1 H2 H3]; [constructor|].
  replace (minus c' c) with (minus c' c2); [constructor; auto|].
  apply filter_ext. intros x. f_equal. unfold mem. specialize (H x).
  destruct (in_dec Nat.eq_dec x c), (in_dec Nat.eq_dec x c2); tauto.
Qed.

Lemma minus_exchange c' x y d : NoDup c' -> In x c' -> x <> y -> ~ In x d ->
  length (minus c' (x :: d)) <= length (minus c' (y :: d)).
Proof.
  intros Hc Hx Hxy Hd. change (length (minus c' (y :: d))) with (pred (S (length (minus c' (y :: d))))).
  assert (S (length (minus c' (x :: d))) <= length (y :: minus c' (y :: d))); [|simpl in *; lia].
  change (S (length (minus c' (x :: d)))) with (length (x :: minus c' (x :: d))).
  apply NoDup_incl_length.
  - constructor; [rewrite minus_In; simpl; tauto|now apply minus_NoDup].
  - intros z [<-|Hz].
    + right. apply minus_In. split; auto. simpl. intros [H|H]; [congruence|tauto].
    + destruct (Nat.eq_dec y z) as [->|N]; [now left|right]. apply minus_In in Hz. apply minus_In. simpl in *.
      split; [tauto|]. intros [H|H]; tauto.
Qed.

(* it does no harm to hold a page that is used earlier *)
Lemma exchange s : forall x y d m, x <> y -> ~ In x d -> next_use s x <= next_use s y ->
  schedule k (y :: d) s m -> exists m', schedule k (x :: d) s m' /\ m' <= m.
Proof.
  induction s as [|p s IH]; intros x y d m Hxy Hd Hn Hs.
  - exists 0. split; [constructor|lia].
  - inversion Hs as [|c c' p' s' m1 Hc' Hp Hs']; subst. pose proof Hc' as [Hc1 Hc2].
    destruct (in_dec Nat.eq_dec x c') as [Hx|Hx].
    + exists (length (minus c' (x :: d)) + m1). split; [constructor; auto|].
      pose proof (minus_exchange c' x y d Hc1 Hx Hxy Hd). lia.
    + simpl in Hn. assert (Npx : p <> x) by congruence.
      rewrite (proj2 (Nat.eqb_neq p x) Npx) in Hn.
      destruct (Nat.eqb_spec p y) as [->|Npy]; [lia|].
      destruct (in_dec Nat.eq_dec y c') as [Hy|Hy].
      * set (r := remove Nat.eq_dec y c').
        assert (Hr : ~ In x r) by (intros H; apply in_remove in H; tauto).
        destruct (IH x y r m1 Hxy Hr ltac:(lia)) as [m2 [H1 H2]].
        { apply schedule_same with c'; auto. intros z. simpl. unfold r. destruct (Nat.eq_dec y z) as [->|N].
          - split; auto.
          - split; [intros H; right; apply in_in_remove; auto|intros [H|H]; [congruence|apply in_remove in H; tauto]]. }
        exists (length (minus (x :: r) (x :: d)) + m2). split.
        -- constructor; auto.
           ++ split; [constructor; auto; unfold r; now apply NoDup_remove_eq|]. unfold r. simpl. rewrite length_remove; auto.
           ++ right. apply in_in_remove; auto.
        -- assert (length (minus (x :: r) (x :: d)) <= length (minus c' (y :: d))); [|lia].
           apply NoDup_incl_length; [apply minus_NoDup; constructor; auto; unfold r; now apply NoDup_remove_eq|].
           intros z Hz. apply minus_In in Hz. destruct Hz as [[Z1|Z1] Z2]; [exfalso; apply Z2; now left|].
           apply in_remove in Z1. apply minus_In. split; [tauto|]. intros [H|H]; [apply (proj2 Z1); auto|apply Z2; now right].
      * exists (length (minus c' (x :: d)) + m1). split; [constructor; auto|].
        assert (length (minus c' (x :: d)) <= length (minus c' (y :: d))); [|lia].
        apply NoDup_incl_length; [now apply minus_NoDup|]. intros z Hz. apply minus_In in Hz. apply minus_In.
        destruct Hz as [Z1 Z2]. split; auto. intros [->|H]; [tauto|]. apply Z2. now right.
Qed.

Lemma loads_one p c r : ~ In p c -> incl r c -> NoDup r -> length (minus (p :: r) c) = 1.
Proof.
  intros Hp Hr Hn. assert (Nd : NoDup (p :: r)) by (constructor; auto).
  apply Nat.le_antisymm.
  - change 1 with (length [p]). apply NoDup_incl_length; [now apply minus_NoDup|].
    intros x Hx. apply minus_In in Hx. destruct Hx as [[<-|Hx] H]; [now left|]. exfalso. auto.
  - change 1 with (length [p]). apply NoDup_incl_length; [constructor; [intros []|constructor]|].
    intros x [<-|[]]. apply minus_In. split; [now left|auto].
Qed.
Hypothesis k_pos : 1 <= k.
Lemma lazy_is_schedule c s m : is_cache k c -> lazy_schedule k c s m -> schedule k c s m.
Proof.
  intros Hc H. induction H as [c|c p s o c' m Ha Hs IH]; [constructor|]. destruct Hc as [Hc1 Hc2].
  unfold lazy_answers in Ha. destruct (mem p c) eqn:E.
  - destruct Ha as [[= <- <-]|[]]. apply mem_In in E. replace 0 with (length (minus c c)) by now rewrite minus_self.
    constructor; [split; auto|auto|apply IH; split; auto].
  - assert (Hn : ~ In p c) by (rewrite <- mem_In; congruence).
    destruct (length c <? k) eqn:El.
    + apply Nat.ltb_lt in El. destruct Ha as [[= <- <-]|[]].
      assert (is_cache k (p :: c)) by (split; [constructor; auto|simpl; lia]).
      rewrite <- (loads_one p c c Hn (incl_refl c) Hc1). constructor; auto. now left.
    + apply in_map_iff in Ha. destruct Ha as [x [[= <- <-] Hx]]. pose proof (length_remove x c Hc1 Hx) as L.
      assert (Hi : incl (remove Nat.eq_dec x c) c) by (intros y Hy; apply in_remove in Hy; tauto).
      assert (is_cache k (p :: remove Nat.eq_dec x c)).
      { split; [constructor; [auto|now apply NoDup_remove_eq]|simpl; lia]. }
      rewrite <- (loads_one p c _ Hn Hi (NoDup_remove_eq x c Hc1)). constructor; auto. now left.
Qed.

Lemma belady_lazy s : forall c, lazy_schedule k c s (belady k c s).
Proof.
  induction s as [|p s IH]; intros c; [constructor|]. cbn [belady]. destruct (mem p c) eqn:E.
  - change (belady k c s) with (0 + belady k c s). apply lazy_step with c; auto. unfold lazy_answers. rewrite E. now left.
  - destruct (length c <? k) eqn:El.
    + apply lazy_step with (p :: c); auto. unfold lazy_answers. rewrite E, El. now left.
    + apply lazy_step with (p :: remove Nat.eq_dec (argmax (next_use s) c) c); auto. unfold lazy_answers. rewrite E, El.
      apply Nat.ltb_ge in El. apply in_map_iff. exists (argmax (next_use s) c). split; auto.
      apply argmax_ok. intros ->. simpl in El. lia.
Qed.

Lemma belady_best s : forall c m, is_cache k c -> schedule k c s m -> belady k c s <= m.
Proof.
  induction s as [|p s IH]; intros c m Hc Hs; [simpl; lia|].
  destruct (laziness k (p :: s) c c m Hc (proj1 Hc) Hs) as [m' [Hl Hm]]. rewrite minus_self in Hm. simpl in Hm.
  inversion Hl as [|c0 p0 s0 o c' m1 Ha Hr]; subst. simpl belady. unfold lazy_answers in Ha.
  pose proof Hc as [Hc1 Hc2]. destruct (mem p c) eqn:E.
  - destruct Ha as [[= <- <-]|[]]. apply lazy_is_schedule in Hr; auto. apply IH in Hr; auto. lia.
  - assert (Hn : ~ In p c) by (rewrite <- mem_In; congruence).
    destruct (length c <? k) eqn:El.
    + apply Nat.ltb_lt in El. destruct Ha as [[= <- <-]|[]].
      assert (Hc' : is_cache k (p :: c)) by (split; [constructor; auto|simpl; lia]).
      apply lazy_is_schedule in Hr; auto. apply IH in Hr; auto. lia.
    + apply in_map_iff in Ha. destruct Ha as [v [[= <- <-] Hv]].
      assert (Hne : c <> []) by (intros ->; inversion Hv).
      destruct (argmax_ok (next_use s) c Hne) as [W1 W2]. set (w := argmax (next_use s) c) in *.
      assert (Hcut : forall x, In x c -> is_cache k (p :: remove Nat.eq_dec x c)).
      { intros x Hx. pose proof (length_remove x c Hc1 Hx). split; [|simpl; lia].
        constructor; [|now apply NoDup_remove_eq]. intros H1. apply in_remove in H1. tauto. }
      apply lazy_is_schedule in Hr; [|auto].
      destruct (Nat.eq_dec v w) as [->|N]; [apply IH in Hr; auto; lia|].
      set (d := p :: remove Nat.eq_dec v (remove Nat.eq_dec w c)).
      assert (Hd : ~ In v d).
      { intros [->|H]; [tauto|]. apply in_remove in H. tauto. }
      destruct (exchange s v w d m1 N Hd (W2 v Hv)) as [m2 [E1 E2]].
      { apply schedule_same with (p :: remove Nat.eq_dec v c); auto. intros x. unfold d. simpl.
        destruct (Nat.eq_dec w x) as [->|Nx]; [split; [auto|intros _; right; apply in_in_remove; auto]|].
        split; intros [H|H]; auto.
        - right; right. apply in_remove in H. destruct H. apply in_in_remove; auto. apply in_in_remove; auto.
        - tauto.
        - destruct H as [H|H]; auto. right. apply in_remove in H. destruct H as [H H']. apply in_remove in H.
          apply in_in_remove; tauto. }
      assert (G : belady k (p :: remove Nat.eq_dec w c) s <= m2); [|lia].
      apply IH; auto. apply schedule_same with (v :: d); auto. intros x. unfold d. simpl.
      destruct (Nat.eq_dec v x) as [->|Nx]; [split; [intros _; right; apply in_in_remove; auto|auto]|].
      split; intros [H|H]; auto.
      * tauto.
      * destruct H as [H|H]; auto. right. apply in_remove in H. tauto.
      * right; right. apply in_in_remove; auto.
Qed.
End Belady.

(* its misses are those of a schedule, and of no schedule are there less *)
Theorem belady_optimal : forall k s, 1 <= k ->
  schedule k [] s (belady k [] s) /\ forall m, schedule k [] s m -> belady k [] s <= m.
Proof.
  intros k s Hk. assert (H0 : is_cache k []) by (split; [constructor|simpl; lia]). split.
  - apply lazy_is_schedule; auto. apply belady_lazy. exact Hk.
  - intros m. apply belady_best; auto.
Qed.
