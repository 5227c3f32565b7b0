(* Lower bounds on ratios: what a family of sequences proves, schedules to compare with, and cyclic sequences. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online.
Import ListNotations.

(* arbitrarily long sequences on which the algorithm pays T and a schedule pays T B / A, up to a constant *)
Lemma lower_from l n k cost A B c :
  (forall X, exists T h m, X <= T /\ layered l n 0 (rev h) /\ schedule k [] (rev h) m /\ T <= cost h + c /\ A * m <= B * T + c) ->
  forall P Q, at_most l n k cost P Q -> Q * A <= P * B.
Proof.
  intros F P Q [add H]. destruct (le_lt_dec (Q * A) (P * B)) as [|C]; auto. exfalso.
  set (K := P * c + A * (Q * c + add)).
  destruct (F (S K)) as [T [h [m [H1 [H2 [H3 [H4 H5]]]]]]]. specialize (H h m H2 H3).
  assert (E1 : Q * T <= Q * cost h + Q * c) by (rewrite <- Nat.mul_add_distr_l; apply Nat.mul_le_mono_l; auto).
  assert (E2 : A * (Q * T) <= A * (P * m + (Q * c + add))) by (apply Nat.mul_le_mono_l; lia).
  assert (E3 : P * (A * m) <= P * (B * T + c)) by (apply Nat.mul_le_mono_l; auto).
  assert (E4 : (P * B + 1) * T <= Q * A * T) by (apply Nat.mul_le_mono_r; lia).
  replace (A * (P * m + (Q * c + add))) with (P * (A * m) + A * (Q * c + add)) in E2 by ring.
  replace (P * (B * T + c)) with (P * B * T + P * c) in E3 by ring.
  replace (A * (Q * T)) with (Q * A * T) in E2 by ring.
  replace ((P * B + 1) * T) with (P * B * T + T) in E4 by ring.
  unfold K in H1. lia.
Qed.

(* a schedule may begin with another cache *)
Lemma restart k C s m : schedule k C s m -> forall D, exists m', schedule k D s m' /\ m' <= m + k.
Proof.
  intros H D. inversion H as [|c c' p s' m1 H1 H2 H3]; subst.
  - exists 0. split; [constructor|lia].
  - exists (length (minus c' D) + m1). split; [constructor; auto|].
    assert (length (minus c' D) <= length c').
    { apply NoDup_incl_length; [apply minus_NoDup, H1|]. intros x Hx. apply minus_In in Hx. tauto. }
    destruct H1. lia.
Qed.
Lemma runs_some k s : 1 <= k -> forall C, exists m d, runs k C s m d.
Proof.
  intros Hk. induction s as [|p s IH]; intros C; [exists 0, C; constructor|].
  destruct (IH [p]) as [m [d H]]. exists (length (minus [p] C) + m), d. constructor; auto; [|left; auto].
  split; [constructor; [intros []|constructor]|auto].
Qed.
Lemma runs_then k C s m d t m2 : runs k C s m d -> schedule k d t m2 -> schedule k C (s ++ t) (m + m2).
Proof.
  induction 1; intros H2; simpl; auto. rewrite <- Nat.add_assoc. constructor; auto.
Qed.
(* after any beginning *)
Lemma after k s : 1 <= k -> exists c, forall C t m, schedule k C t m -> exists m', schedule k [] (s ++ t) m' /\ m' <= m + c.
Proof.
  intros Hk. destruct (runs_some k s Hk []) as [m0 [d H]]. exists (m0 + k). intros C t m H'.
  destruct (restart _ _ _ _ H' d) as [m1 [R1 R2]]. exists (m0 + m1). split; [|lia]. eapply runs_then; eauto.
Qed.

Lemma misses_more alg s h : misses alg h <= misses alg (s ++ h).
Proof. induction s; simpl; lia. Qed.

(* Cyclic sequences: the pages of c one after the other, for ever; between them pages that are kept may be requested.
   The schedule holds what is kept, the page of c requested last, and some of the others; whenever it must load one it drops
   the one requested last.  bs tells which of the others it holds; it turns with c. *)
Section Cycle.
Variable k : nat.
Variable keep : list nat.

Inductive turns : list nat -> list nat -> nat -> list nat -> Prop :=
| turns_nil c : turns c [] 0 c
| turns_keep c p s t c' : In p keep -> turns c s t c' -> turns c (p :: s) t c'
| turns_next c p s t c' : turns (c ++ [p]) s t c' -> turns (p :: c) (p :: s) (S t) c'.

Lemma turns_app c s t d : turns c s t d -> forall s' t' e, turns d s' t' e -> turns c (s ++ s') (t + t') e.
Proof. induction 1; intros s' t' e H'; simpl; auto; [apply turns_keep|apply turns_next]; auto. Qed.
Lemma turns_kept s c : incl s keep -> turns c s 0 c.
Proof. induction s as [|p s IH]; intros H; [constructor|]. apply turns_keep; [apply H; left; auto|]. apply IH. intros x Hx. apply H. right; auto. Qed.
Lemma turns_list zs : forall c, turns (zs ++ c) zs (length zs) (c ++ zs).
Proof.
  induction zs as [|z zs IH]; intros c; [rewrite app_nil_r; constructor|]. simpl. apply turns_next.
  specialize (IH (c ++ [z])). rewrite <- !app_assoc in *. exact IH.
Qed.

Fixpoint chosen (bs : list bool) (c : list nat) : list nat :=
  match bs, c with b :: bs', x :: c' => if b then x :: chosen bs' c' else chosen bs' c' | _, _ => [] end.
Definition held (bs : list bool) (c : list nat) : cache := keep ++ List.last c 0 :: chosen bs c.
Fixpoint count (bs : list bool) : nat := match bs with [] => 0 | true :: r => S (count r) | false :: r => count r end.
Fixpoint due (bs : list bool) : nat := match bs with [] => 0 | b :: r => (if b then 0 else S (length r)) + due r end.

Lemma count_app a b : count (a ++ b) = count a + count b.
Proof. induction a as [|[|] a IH]; simpl; auto. Qed.
Lemma count_le a : count a <= length a.
Proof. induction a as [|[|] a IH]; simpl; lia. Qed.
Lemma due_turn b bs : due (bs ++ [b]) + (if b then 0 else S (length bs)) = due (b :: bs) + (length (b :: bs) - count (b :: bs)).
Proof.
  assert (E : due (bs ++ [b]) = due bs + (length bs - count bs) + (if b then 0 else 1)).
  { induction bs as [|x bs IH]; [destruct b; auto|]. cbn [app due]. rewrite IH, app_length.
    pose proof (count_le bs). destruct x; cbn [count length]; lia. }
  rewrite E. pose proof (count_le bs). destruct b; cbn [due count length]; lia.
Qed.
Lemma chosen_In bs : forall c x, In x (chosen bs c) -> In x c.
Proof.
  induction bs as [|b bs IH]; intros [|y c] x H; simpl in *; try tauto. destruct b; [destruct H|]; auto.
Qed.
Lemma chosen_length bs : forall c, length bs <= length c -> length (chosen bs c) = count bs.
Proof.
  induction bs as [|b bs IH]; intros [|y c] H; simpl in *; auto; [lia|]. destruct b; simpl; rewrite IH; auto; lia.
Qed.
Lemma chosen_NoDup bs : forall c, NoDup c -> NoDup (chosen bs c).
Proof.
  induction bs as [|b bs IH]; intros [|y c] H; simpl; try constructor. inversion H; subst. destruct b; auto.
  constructor; auto. intros H1. apply chosen_In in H1. tauto.
Qed.
Lemma chosen_app bs : forall c d b x, length bs = length c -> chosen (bs ++ [b]) (c ++ x :: d) = chosen bs c ++ (if b then [x] else []).
Proof.
  induction bs as [|a bs IH]; intros [|y c] d b x H; simpl in *; try discriminate; [destruct b, d; auto|].
  rewrite IH by lia. destruct a; auto.
Qed.

Lemma held_length bs c : length c = S (length bs) -> length (held bs c) = length keep + S (count bs).
Proof. intros H. unfold held. rewrite app_length. simpl. rewrite chosen_length; lia. Qed.
Lemma held_NoDup bs L e : NoDup (keep ++ L ++ [e]) -> length bs = length L -> NoDup (held bs (L ++ [e])).
Proof.
  intros H Hb. unfold held. rewrite last_last.
  assert (Ec : chosen bs (L ++ [e]) = chosen bs L).
  { clear H. revert L Hb. induction bs as [|b bs IH]; intros [|y L] Hb; simpl in *; try discriminate; auto.
    rewrite IH by lia. auto. }
  rewrite Ec. clear Ec. induction keep as [|x r IH]; simpl in *.
  - apply NoDup_remove in H. rewrite app_nil_r in H. constructor; [|apply chosen_NoDup; tauto].
    intros H1. apply chosen_In in H1. tauto.
  - inversion H as [|u v H1 H2]; subst. constructor; auto. intros H3. apply H1. rewrite !in_app_iff in *.
    destruct H3 as [H3|[<-|H3]]; auto; [right; right; left; auto|]. apply chosen_In in H3. auto.
Qed.

Lemma turn p c bs b : NoDup (keep ++ p :: c) -> length c = S (length bs) -> length keep + S (count (b :: bs)) <= k ->
  is_cache k (held (bs ++ [b]) (c ++ [p])) /\ In p (held (bs ++ [b]) (c ++ [p])) /\
  length (minus (held (bs ++ [b]) (c ++ [p])) (held (b :: bs) (p :: c))) <= if b then 0 else 1.
Proof.
  intros HN Hl Hk. assert (HN2 : NoDup (keep ++ c ++ [p])).
  { apply NoDup_incl_NoDup with (keep ++ p :: c); auto.
    - rewrite !app_length. simpl. lia.
    - intros x. rewrite !in_app_iff. simpl. tauto. }
  split.
  { split; [apply held_NoDup; auto; rewrite app_length; simpl; lia|].
    rewrite held_length by (rewrite !app_length; simpl; lia). rewrite count_app. destruct b; simpl in *; lia. }
  split; [unfold held; rewrite last_last; apply in_or_app; right; left; auto|].
  destruct (exists_last (l := c) ltac:(intros ->; discriminate)) as [L [e ->]].
  assert (LL : length bs = length L) by (rewrite app_length in Hl; simpl in Hl; lia).
  unfold held. rewrite last_last. replace ((L ++ [e]) ++ [p]) with (L ++ e :: [p]) by (rewrite <- app_assoc; auto).
  rewrite chosen_app by auto. change (p :: L ++ [e]) with ((p :: L) ++ [e]). rewrite last_last.
  assert (Ec : chosen (b :: bs) ((p :: L) ++ [e]) = chosen (b :: bs) (p :: L)).
  { assert (G : forall bs L, length bs = length L -> chosen bs (L ++ [e]) = chosen bs L).
    { clear. induction bs as [|b bs IH]; intros [|y L] Hb; simpl in *; try discriminate; auto. rewrite IH by lia. auto. }
    apply G. simpl. lia. }
  rewrite Ec. set (X := chosen bs L).
  assert (Le : length (minus (keep ++ p :: X ++ (if b then [e] else [])) (keep ++ e :: chosen (b :: bs) (p :: L))) <=
               length (if b then [] else [p])).
  { apply NoDup_incl_length.
    - apply minus_NoDup. pose proof (held_NoDup (bs ++ [b]) (L ++ [e]) p HN2 ltac:(rewrite !app_length; simpl; lia)) as G.
      unfold held in G. rewrite last_last, <- app_assoc in G. simpl app in G. rewrite chosen_app in G; auto.
    - intros x Hx. apply minus_In in Hx. destruct Hx as [H1 H2].
      assert (H3 : In x (p :: X ++ (if b then [e] else []))).
      { apply in_app_or in H1. destruct H1 as [H1|H1]; auto. exfalso. apply H2, in_or_app. auto. }
      assert (H4 : ~ In x (e :: chosen (b :: bs) (p :: L))) by (intros H4; apply H2, in_or_app; auto).
      simpl in H3, H4. fold X in H4. destruct H3 as [<-|H3].
      + destruct b; [exfalso; apply H4; simpl; auto|left; auto].
      + exfalso. apply H4. apply in_app_or in H3. destruct H3 as [H3|H3].
        * destruct b; simpl; auto.
        * destruct b; [destruct H3 as [<-|[]]; auto|inversion H3]. }
  destruct b; exact Le.
Qed.

Theorem turns_run c s t c' : turns c s t c' -> forall bs, NoDup (keep ++ c) -> length c = S (length bs) -> 1 <= length bs ->
  length keep + S (count bs) <= k ->
  exists m, schedule k (held bs c) s m /\ length bs * m <= due bs + (length bs - count bs) * t.
Proof.
  induction 1 as [c|c p s t c' Hp Ht IH|c p s t c' Ht IH]; intros bs HN Hl H1 Hk.
  - exists 0. split; [constructor|lia].
  - destruct (IH bs HN Hl H1 Hk) as [m [M1 M2]]. exists m. split; auto.
    replace m with (length (minus (held bs c) (held bs c)) + m) by (rewrite minus_self; auto). constructor; auto.
    + split; [|rewrite held_length; auto].
      destruct (exists_last (l := c) ltac:(intros ->; discriminate)) as [L [e ->]].
      apply held_NoDup; auto. rewrite app_length in Hl. simpl in Hl. lia.
    + apply in_or_app. auto.
  - destruct bs as [|b bs]; [simpl in H1; lia|]. simpl in Hl.
    destruct (turn p c bs b HN ltac:(lia) Hk) as [T1 [T2 T3]].
    destruct (IH (bs ++ [b])) as [m [M1 M2]].
    + apply NoDup_incl_NoDup with (keep ++ p :: c); auto.
      * rewrite !app_length. simpl. lia.
      * intros x. rewrite !in_app_iff. simpl. tauto.
    + rewrite !app_length. simpl. lia.
    + rewrite app_length. simpl. lia.
    + rewrite count_app. destruct b; simpl in *; lia.
    + eexists. split; [constructor; eauto|].
      pose proof (due_turn b bs) as D. rewrite app_length, count_app in M2.
      replace (length bs + length [b]) with (length (b :: bs)) in M2 by (simpl; lia).
      replace (count bs + count [b]) with (count (b :: bs)) in M2 by (destruct b; simpl; lia).
      rewrite Nat.mul_succ_r, Nat.mul_add_distr_l.
      assert (length (b :: bs) * length (minus (held (bs ++ [b]) (c ++ [p])) (held (b :: bs) (p :: c))) <= if b then 0 else S (length bs)).
      { destruct b; [|change (S (length bs)) with (length (false :: bs)); rewrite <- (Nat.mul_1_r (length (false :: bs))) at 2;
          apply Nat.mul_le_mono_l; exact T3].
        replace (length (minus (held (bs ++ [true]) (c ++ [p])) (held (true :: bs) (p :: c)))) with 0 by lia. lia. }
      lia.
Qed.
End Cycle.
