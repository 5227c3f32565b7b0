(* LLRU: the victim has the largest index R among the cached pages, ties anyhow.  Requests have times 1, 2, ...; the request
   that misses has time t.  visit: R = (t - last) / l.  absolute: R = round(t) - round(last), round(u) = (u - 1) / l.
   Both readings, with any tie rule, have a ratio of at most k + l - 1, for all l and k, on every sequence. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online AlmostLru.
Import ListNotations.

Lemma visit_rule l t lv lo : 1 <= l -> lv <= t -> lo <= t -> (t - lo) / l <= (t - lv) / l -> lv < lo + l.
Proof.
  intros Hl H1 H2 H. destruct (le_lt_dec (lo + l) lv) as [C|]; auto. exfalso.
  assert ((t - lv) / l + 1 <= (t - lo) / l); [|lia].
  replace (t - lo) with ((t - lo - l) + 1 * l) by lia. rewrite Nat.div_add by lia.
  apply Nat.add_le_mono_r. apply Nat.div_le_mono; lia.
Qed.
Lemma absolute_rule l r lv lo : 1 <= l -> 1 <= lv -> 1 <= lo -> (lv - 1) / l <= r -> (lo - 1) / l <= r ->
  r - (lo - 1) / l <= r - (lv - 1) / l -> lv < lo + l.
Proof.
  intros Hl H1 H2 R1 R2 H. destruct (le_lt_dec (lo + l) lv) as [C|]; auto. exfalso.
  assert ((lo - 1) / l + 1 <= (lv - 1) / l); [|lia].
  replace (lv - 1) with ((lv - 1 - l) + 1 * l) by lia. rewrite Nat.div_add by lia.
  apply Nat.add_le_mono_r. apply Nat.div_le_mono; lia.
Qed.

Fixpoint argmax (f : nat -> nat) (c : list nat) : nat :=
  match c with [] => 0 | [x] => x | x :: r => let b := argmax f r in if f b <=? f x then x else b end.
Lemma argmax_ok f c : c <> [] -> In (argmax f c) c /\ forall o, In o c -> f o <= f (argmax f c).
Proof.
  induction c as [|x [|y r] IH]; intros H; [congruence| |].
  - simpl. split; auto. intros o [->|[]]; auto.
  - destruct (IH ltac:(discriminate)) as [I1 I2]. set (b := argmax f (y :: r)) in *.
    change (argmax f (x :: y :: r)) with (if f b <=? f x then x else b).
    destruct (f b <=? f x) eqn:E.
    + apply Nat.leb_le in E. split; [left; auto|]. intros o [<-|Ho]; auto. apply I2 in Ho. lia.
    + apply Nat.leb_gt in E. split; [right; auto|]. intros o [<-|Ho]; [lia|auto].
Qed.

Section Llru.
Variables l k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis k_pos : 1 <= k.
Variable index : nat -> nat -> nat.        (* time of the request, time of last use -> last-round index R *)
Variable D : nat -> nat -> nat.            (* time, page -> relative layer distance, or any other tie rule *)
Hypothesis D_small : forall t p, D t p <= l.
Hypothesis index_ok : forall t lv lo, 1 <= lv -> 1 <= lo -> lv < t -> lo < t -> index t lo <= index t lv -> lv < lo + l.

Definition key (h : list nat) (x : nat) : nat :=
  index (S (length h)) (last h x) * (l + 1) + D (S (length h)) x.
Fixpoint llru (h : list nat) : cache :=
  match h with
  | [] => []
  | p :: h' => let c := llru h' in
      if mem p c then c else if length c <? k then p :: c else p :: remove Nat.eq_dec (argmax (key h') c) c
  end.

Lemma used h : forall x, In x (llru h) -> 1 <= last h x.
Proof.
  induction h as [|p h IH]; simpl; [intros x []|]. intros x Hx. destruct (Nat.eq_dec p x) as [|N]; [lia|].
  apply IH. destruct (mem p (llru h)); auto. destruct (length (llru h) <? k); simpl in Hx.
  - destruct Hx; [congruence|auto].
  - destruct Hx as [?|Hx]; [congruence|]. apply in_remove in Hx. tauto.
Qed.

Theorem llru_competitive : forall h m, schedule k [] (rev h) m -> misses llru h <= (k + l - 1) * (m + 1).
Proof.
  apply almost_lru; auto.
  - intros p h H. simpl. replace (mem p (llru h)) with true; auto. symmetry. apply mem_In; auto.
  - intros p h H Hl. simpl. replace (mem p (llru h)) with false.
    + replace (length (llru h) <? k) with true; auto. symmetry. apply Nat.ltb_lt; auto.
    + symmetry. apply not_true_iff_false. rewrite mem_In. auto.
  - intros p h H Hl. simpl. replace (mem p (llru h)) with false; [|symmetry; apply not_true_iff_false; rewrite mem_In; auto].
    replace (length (llru h) <? k) with false; [|symmetry; apply Nat.ltb_ge; auto].
    assert (Hne : llru h <> []) by (intros E; rewrite E in Hl; simpl in Hl; lia).
    destruct (argmax_ok (key h) (llru h) Hne) as [V1 V2]. set (v := argmax (key h) (llru h)) in *.
    exists v. split; auto. split; auto. intros o Ho. specialize (V2 o Ho). unfold key in V2.
    pose proof (D_small (S (length h)) v) as Dv.
    pose proof (last_le h v) as Lv. pose proof (last_le h o) as Lo.
    apply index_ok with (S (length h)); try (apply used; auto); try lia.
    destruct (le_lt_dec (index (S (length h)) (last h o)) (index (S (length h)) (last h v))) as [|C]; auto. exfalso.
    assert ((index (S (length h)) (last h v) + 1) * (l + 1) <= index (S (length h)) (last h o) * (l + 1))
      by (apply Nat.mul_le_mono_r; lia).
    rewrite Nat.mul_add_distr_r in H0. lia.
Qed.
End Llru.

(* the readings *)
Definition visit (l t last : nat) : nat := (t - last) / l.
Definition absolute (l t last : nat) : nat := (t - 1) / l - (last - 1) / l.

Theorem llru_visit l k D : 1 <= l -> 1 <= k -> (forall t p, D t p <= l) ->
  forall h m, schedule k [] (rev h) m -> misses (llru l k (visit l) D) h <= (k + l - 1) * (m + 1).
Proof.
  intros Hl Hk HD. apply llru_competitive; auto. intros t lv lo H1 H2 H3 H4 H.
  apply visit_rule with t; auto; lia.
Qed.
Theorem llru_absolute l k D : 1 <= l -> 1 <= k -> (forall t p, D t p <= l) ->
  forall h m, schedule k [] (rev h) m -> misses (llru l k (absolute l) D) h <= (k + l - 1) * (m + 1).
Proof.
  intros Hl Hk HD. apply llru_competitive; auto. intros t lv lo H1 H2 H3 H4 H.
  apply absolute_rule with ((t - 1) / l); auto; apply Nat.div_le_mono; lia.
Qed.
