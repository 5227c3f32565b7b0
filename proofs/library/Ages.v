(* Ages: what a lazy schedule holds gets older with each request; a hit needs a page of a certain age. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Laziness Online Layers.
Import ListNotations.

(* the requests since the last one to x *)
Definition age (h : list nat) (x : nat) : nat := length h - last h x.

Section Ages.
Variable k : nat.
Hypothesis k_pos : 1 <= k.
Variable cap : nat.

Fixpoint ages (h : list nat) (C : cache) : nat :=
  match C with [] => 0 | x :: r => Nat.min cap (age h x) + ages h r end.

Lemma ages_remove h p C : NoDup C -> ages h C = ages h (remove Nat.eq_dec p C) + if mem p C then Nat.min cap (age h p) else 0.
Proof.
  induction 1 as [|x C Hx HC IH]; [auto|]. simpl remove. cbn [ages]. rewrite IH. destruct (Nat.eq_dec p x) as [->|N].
  - rewrite notin_remove in * by auto. replace (mem x C) with false; [|symmetry; apply not_true_iff_false; rewrite mem_In; auto].
    replace (mem x (x :: C)) with true by (symmetry; apply mem_In; left; auto). lia.
  - replace (mem p (x :: C)) with (mem p C); [cbn [ages]; lia|].
    apply eq_true_iff_eq. rewrite !mem_In. simpl. split; [auto|intros [?|?]; [congruence|auto]].
Qed.
Lemma ages_next h p C : ~ In p C -> ages (p :: h) C <= ages h C + length C.
Proof.
  induction C as [|x C IH]; cbn [ages length]; intros H; [lia|]. simpl in H. specialize (IH ltac:(tauto)).
  assert (age (p :: h) x <= S (age h x)) by (unfold age; cbn [last length]; destruct (Nat.eq_dec p x); [exfalso; apply H; left; auto|lia]). lia.
Qed.
Lemma ages_lost h x C : NoDup C -> ages h (remove Nat.eq_dec x C) <= ages h C.
Proof. intros H. rewrite (ages_remove h x C H). lia. Qed.

(* one request to a lazy schedule *)
Lemma ages_step h C p o C' : is_cache k C -> In (o, C') (lazy_answers k C p) ->
  is_cache k C' /\ In p C' /\ o = (if mem p C then 0 else 1) /\
  ages (p :: h) C' + (if mem p C then Nat.min cap (age h p) else 0) <= ages h C + (k - 1).
Proof.
  intros [H1 H2] H.
  assert (G : forall D, NoDup D -> length D <= k - 1 -> ~ In p D ->
    is_cache k (p :: D) /\ In p (p :: D) /\ ages (p :: h) (p :: D) <= ages h D + (k - 1)).
  { intros D D1 D2 D3. split; [split; [constructor; auto|simpl; lia]|]. split; [left; auto|].
    pose proof (ages_next h p D D3). cbn [ages]. replace (age (p :: h) p) with 0; [lia|].
    unfold age. cbn [last]. destruct (Nat.eq_dec p p); [lia|congruence]. }
  unfold lazy_answers in H. destruct (mem p C) eqn:M.
  - destruct H as [[= <- <-]|[]]. apply mem_In in M. pose proof (length_remove p C H1 M) as L.
    destruct (G (remove Nat.eq_dec p C)) as [_ [_ G3]];
      [apply NoDup_remove_eq; auto|lia|intros H; apply in_remove in H; tauto|].
    split; [split; auto|]. split; auto. split; auto. pose proof (ages_remove h p C H1) as A.
    pose proof (ages_remove (p :: h) p C H1) as B. apply mem_In in M. rewrite M in A, B. cbn [ages] in G3. lia.
  - assert (Np : ~ In p C) by (rewrite <- mem_In; congruence). destruct (length C <? k) eqn:L.
    + apply Nat.ltb_lt in L. destruct H as [[= <- <-]|[]]. destruct (G C) as [G1 [G2 G3]]; auto; [lia|].
      split; [exact G1|]. split; [exact G2|]. split; auto. lia.
    + apply in_map_iff in H. destruct H as [x [[= <- <-] Hx]]. pose proof (length_remove x C H1 Hx) as Lr.
      destruct (G (remove Nat.eq_dec x C)) as [G1 [G2 G3]];
        [apply NoDup_remove_eq; auto|lia|intros H; apply in_remove in H; tauto|].
      split; [exact G1|]. split; [exact G2|]. split; auto. pose proof (ages_lost h x C H1). lia.
Qed.

End Ages.

(* what is held was requested, and a page is requested again after a multiple of l steps *)
Lemma answers_held k h C p o C' : incl C h -> In (o, C') (lazy_answers k C p) -> incl C' (p :: h).
Proof.
  intros HC H. unfold lazy_answers in H. destruct (mem p C); [destruct H as [[= <- <-]|[]]; intros x Hx; right; auto|].
  destruct (length C <? k).
  - destruct H as [[= <- <-]|[]]. intros x [<-|Hx]; [left; auto|right; auto].
  - apply in_map_iff in H. destruct H as [y [[= <- <-] Hy]]. intros x [<-|Hx]; [left; auto|right].
    apply in_remove in Hx. apply HC. tauto.
Qed.
Lemma last_nth h p : In p h -> age h p < length h /\ nth (age h p) h 0 = p.
Proof.
  unfold age. induction h as [|q h IH]; intros H; [inversion H|]. cbn [last length].
  destruct (Nat.eq_dec q p) as [->|N]; [rewrite Nat.sub_diag; simpl; split; [lia|auto]|].
  destruct H as [H|H]; [congruence|]. destruct (IH H) as [I1 I2]. pose proof (last_le h p).
  replace (S (length h) - last h p) with (S (length h - last h p)) by lia. split; [lia|]. simpl. auto.
Qed.
Lemma age_layered l n h p : 1 <= l -> backwards l n (p :: h) -> In p h -> l - 1 <= age h p /\ (~ In p (firstn l h) -> 2 * l - 1 <= age h p).
Proof.
  intros l_pos [_ [H1 H2]] Hp. destruct (last_nth h p Hp) as [A1 A2].
  pose proof (backwards_nth l n l_pos h H2 _ A1) as B. rewrite A2, H1 in B.
  assert (Hd : (S (age h p)) mod l = 0).
  { set (u := length h - 1 - age h p) in *. assert (E : length h = u + S (age h p)) by (unfold u; lia).
    rewrite E in B. rewrite <- Nat.add_mod_idemp_r in B by lia.
    destruct (Nat.eq_dec (S (age h p) mod l) 0) as [|N]; auto. exfalso.
    pose proof (Nat.mod_upper_bound (S (age h p)) l ltac:(lia)). apply (mod_apart l l_pos u (S (age h p) mod l)); lia. }
  apply Nat.mod_divides in Hd; [|lia]. destruct Hd as [c Hc].
  assert (1 <= c) by (destruct c; lia). assert (l * 1 <= l * c) by (apply Nat.mul_le_mono_l; auto). split; [lia|].
  intros N. destruct (le_lt_dec 2 c) as [C|C]; [assert (l * 2 <= l * c) by (apply Nat.mul_le_mono_l; auto); lia|].
  exfalso. apply N. assert (c = 1) by lia. subst c. rewrite <- A2.
  rewrite <- (nth_window h (age h p) l) by lia. apply nth_In. rewrite firstn_length. lia.
Qed.
