(* What an adversary can do to LRU.  The window: the last l requests, the next layer's first.  The older pages: LRU's order after
   them.  A request moves a page into the window, and the page of its layer that was there on top of the older ones. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Layers Lower.
Import ListNotations.

Lemma backwards_small l n h p : backwards l n h -> In p h -> p < l * n.
Proof. induction h as [|q h IH]; simpl; intros H Hp; [tauto|]. destruct Hp as [<-|Hp]; [tauto|]. apply IH; tauto. Qed.
Lemma backwards_tail l n s h : backwards l n (s ++ h) -> backwards l n h.
Proof. induction s; simpl; auto. tauto. Qed.

Section Attack.
Variables l n : nat.
Hypothesis l_pos : 1 <= l.
Definition window (h : list nat) : list nat := rev (firstn l h).

Lemma window_apart h x : backwards l n h -> l <= length h -> In x (window h) -> ~ In x (older l h).
Proof. intros H1 H2 H. unfold window in H. rewrite <- in_rev in H. apply (older_apart l n); auto. Qed.

Lemma request p h : backwards l n (p :: h) -> l <= length h -> exists q W,
  window h = q :: W /\ window (p :: h) = W ++ [p] /\ layer n p = layer n q /\ ~ In p W /\
  older l (p :: h) = remove Nat.eq_dec p (q :: older l h).
Proof.
  intros H Hl. destruct (window_step l n l_pos p h H Hl) as [q [W1 [W2 [W3 [W4 W5]]]]].
  exists q, (rev (firstn (l - 1) h)). unfold window. rewrite W1, W3, rev_app_distr. repeat split; auto.
  rewrite <- in_rev. auto.
Qed.

(* the page due next in the window can be asked for again: nothing changes *)
Lemma again h q W : backwards l n h -> l <= length h -> window h = q :: W ->
  backwards l n (q :: h) /\ window (q :: h) = W ++ [q] /\ older l (q :: h) = older l h.
Proof.
  intros H Hl Hw. assert (Hn : q = nth (l - 1) h 0 /\ In q h).
  { assert (Hq : In q (firstn l h)) by (rewrite in_rev; fold (window h); rewrite Hw; left; auto). split; [|apply In_firstn in Hq; auto].
    assert (E : nth (l - 1) (firstn l h) 0 = q).
    { rewrite <- (rev_involutive (firstn l h)). fold (window h). rewrite Hw. simpl rev.
      assert (Lw : length W = l - 1).
      { assert (L : length (window h) = l) by (unfold window; rewrite rev_length, firstn_length; lia). rewrite Hw in L. simpl in L. lia. }
      rewrite app_nth2; rewrite rev_length, Lw; [|lia]. rewrite Nat.sub_diag. auto. }
    rewrite <- E. apply nth_window; lia. }
  destruct Hn as [Hn Hi].
  assert (Hb : backwards l n (q :: h)).
  { split; [apply (backwards_small l n h); auto|]. split; auto. rewrite Hn, (backwards_nth l n l_pos) by (auto; lia).
    replace (length h) with ((length h - 1 - (l - 1)) + 1 * l) at 2 by lia. rewrite Nat.mod_add; lia. }
  split; auto. destruct (request q h Hb Hl) as [q' [W' [R1 [R2 [R3 [R4 R5]]]]]]. rewrite Hw in R1. injection R1 as <- <-.
  split; auto. rewrite R5. simpl. destruct (Nat.eq_dec q q) as [_|]; [|congruence]. apply notin_remove.
  apply window_apart; auto. rewrite Hw. left; auto.
Qed.
Lemma again_all ps : forall h W, backwards l n h -> l <= length h -> window h = ps ++ W ->
  backwards l n (rev ps ++ h) /\ window (rev ps ++ h) = W ++ ps /\ older l (rev ps ++ h) = older l h.
Proof.
  induction ps as [|q ps IH]; intros h W H Hl Hw; [rewrite app_nil_r; auto|].
  destruct (again h q (ps ++ W) H Hl Hw) as [A1 [A2 A3]]. simpl rev. rewrite <- app_assoc. simpl app.
  destruct (IH (q :: h) (W ++ [q]) A1 ltac:(simpl; lia)) as [B1 [B2 B3]]; [rewrite A2, app_assoc; auto|].
  split; auto. split; [rewrite B2, <- app_assoc; auto|congruence].
Qed.

(* pages that were never requested *)
Lemma fresh_all zs : forall h qs W, backwards l n (rev zs ++ h) -> l <= length h -> window h = qs ++ W ->
  length qs = length zs -> NoDup zs -> (forall z, In z zs -> ~ In z h) ->
  window (rev zs ++ h) = W ++ zs /\ older l (rev zs ++ h) = rev qs ++ older l h.
Proof.
  induction zs as [|z zs IH]; intros h qs W H Hl Hw Hq Hd Hf.
  - destruct qs; [|discriminate]. simpl in *. rewrite app_nil_r. auto.
  - destruct qs as [|q qs]; [discriminate|]. simpl rev in *. rewrite <- app_assoc in *. simpl app in *.
    inversion Hd as [|x y D1 D2]; subst. assert (Hz : backwards l n (z :: h)) by (apply backwards_tail in H; auto).
    destruct (request z h Hz Hl) as [q' [W' [R1 [R2 [R3 [R4 R5]]]]]]. rewrite Hw in R1. injection R1 as <- <-.
    destruct (IH (z :: h) qs (W ++ [z]) H ltac:(simpl; lia)) as [B1 B2]; auto.
    + rewrite R2, app_assoc. auto.
    + intros x Hx [<-|Hx2]; [tauto|]. apply (Hf x); auto. right; auto.
    + rewrite B1, B2, R5, <- !app_assoc. split; auto. simpl remove. destruct (Nat.eq_dec z q) as [->|N].
      * exfalso. apply (Hf q); [left; auto|]. apply (In_firstn h l). apply in_rev. fold (window h). rewrite Hw. left; auto.
      * rewrite notin_remove; auto. intros Hi. apply (Hf z); [left; auto|]. apply recency_In. unfold older in Hi.
        rewrite <- (firstn_skipn l (recency h)). apply in_or_app. auto.
Qed.

Variable k : nat.
Hypothesis l_le_k : l <= k.

(* the least recent page, when one more than k were requested: LRU misses it *)
Lemma attack h p X : backwards l n (p :: h) -> l <= length h -> older l h = X ++ [p] -> k - l <= length X ->
  misses (lru k) (p :: h) = S (misses (lru k) h) /\
  exists q W, window h = q :: W /\ window (p :: h) = W ++ [p] /\ older l (p :: h) = q :: X.
Proof.
  intros H Hl Ho Hk. assert (Hb : backwards l n h) by apply H.
  pose proof (older_NoDup l h) as D. rewrite Ho in D. apply NoDup_remove in D. rewrite app_nil_r in D. destruct D as [D1 D2].
  assert (Hp : In p (older l h)) by (rewrite Ho; apply in_or_app; right; left; auto).
  split.
  - cbn [misses]. replace (mem p (lru k h)) with false; [auto|]. symmetry. apply not_true_iff_false. rewrite mem_In.
    rewrite (lru_window l n) by auto. intros Hi. apply in_app_or in Hi. destruct Hi as [Hi|Hi].
    + apply (older_apart l n l_pos h p); auto.
    + rewrite Ho, firstn_app in Hi. replace (k - l - length X) with 0 in Hi by lia. rewrite app_nil_r in Hi.
      apply In_firstn in Hi. tauto.
  - destruct (request p h H Hl) as [q [W [R1 [R2 [R3 [R4 R5]]]]]]. exists q, W. split; auto. split; auto. rewrite R5.
    simpl. destruct (Nat.eq_dec p q) as [->|N].
    + exfalso. apply (window_apart h q); auto. rewrite R1. left; auto.
    + f_equal. rewrite Ho, remove_app, notin_remove by auto. simpl. destruct (Nat.eq_dec p p); [|congruence]. apply app_nil_r.
Qed.
Lemma attack_all zs : forall h X qs W, backwards l n (rev zs ++ h) -> l <= length h -> older l h = X ++ rev zs ->
  window h = qs ++ W -> length qs = length zs -> k - l < length (older l h) ->
  misses (lru k) (rev zs ++ h) = misses (lru k) h + length zs /\
  window (rev zs ++ h) = W ++ zs /\ older l (rev zs ++ h) = rev qs ++ X.
Proof.
  induction zs as [|z zs IH]; intros h X qs W H Hl Ho Hw Hq Hk.
  - destruct qs; [|discriminate]. simpl in *. rewrite app_nil_r in *. split; [lia|auto].
  - destruct qs as [|q qs]; [discriminate|]. simpl rev in *. rewrite <- app_assoc in *. simpl app in *.
    assert (Hz : backwards l n (z :: h)) by (apply backwards_tail in H; auto).
    rewrite Ho, app_assoc, app_length in Hk. simpl in Hk.
    destruct (attack h z (X ++ rev zs) Hz Hl ltac:(rewrite Ho, app_assoc; auto) ltac:(lia)) as [A1 [q' [W' [A2 [A3 A4]]]]].
    rewrite Hw in A2. injection A2 as <- <-.
    destruct (IH (z :: h) (q :: X) qs (W ++ [z]) H ltac:(simpl; lia)) as [B1 [B2 B3]]; auto.
    + rewrite A3, app_assoc. auto.
    + rewrite A4. simpl. lia.
    + rewrite B1, A1, B2, B3, <- !app_assoc. split; [simpl; lia|auto].
Qed.
End Attack.
