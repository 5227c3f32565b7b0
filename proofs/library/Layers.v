(* Histories of layered sequences: the last l requests are to l different layers, so LRU's order begins with them. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online.
Import ListNotations.

Lemma nth_window (h : list nat) i j : i < j -> i < length h -> nth i (firstn j h) 0 = nth i h 0.
Proof. intros H1 H2. rewrite <- (firstn_skipn j h) at 2. rewrite app_nth1; auto. rewrite firstn_length. lia. Qed.

Lemma layer_page n j e : e < n -> layer n (j * n + e) = j.
Proof. intros H. unfold layer. rewrite Nat.div_add_l by lia. rewrite Nat.div_small; lia. Qed.
Lemma page_small l n j e : e < n -> j < l -> j * n + e < l * n.
Proof. intros H1 H2. assert (S j * n <= l * n) by (apply Nat.mul_le_mono_r; lia). simpl in H. lia. Qed.

Section Layers.
Variables l n : nat.

(* a layered sequence, read backwards *)
Fixpoint backwards (h : list nat) : Prop :=
  match h with [] => True | p :: h' => p < l * n /\ layer n p = length h' mod l /\ backwards h' end.

Lemma layered_backwards h : layered l n 0 (rev h) <-> backwards h.
Proof.
  assert (S1 : forall s t p, layered l n t (s ++ [p]) <-> layered l n t s /\ p < l * n /\ layer n p = (t + length s) mod l).
  { induction s as [|q s IH]; intros t p; simpl; [rewrite Nat.add_0_r; tauto|].
    rewrite IH. replace (S t + length s) with (t + S (length s)) by lia. tauto. }
  induction h as [|p h IH]; simpl; [tauto|]. rewrite S1, rev_length, IH. simpl. tauto.
Qed.

Lemma backwards_app s : forall h, backwards (rev s ++ h) <-> backwards h /\ layered l n (length h) s.
Proof.
  induction s as [|p s IH]; intros h; simpl; [tauto|]. rewrite <- app_assoc. simpl. rewrite IH. simpl. tauto.
Qed.
(* pages of consecutive layers *)
Lemma layered_row e m : forall i t, e < n -> i + m <= l -> (0 < m -> t mod l = i) ->
  layered l n t (map (fun j => j * n + e) (seq i m)).
Proof.
  induction m as [|m IH]; intros i t He Hi Ht; simpl; auto.
  split; [apply page_small; lia|]. split; [rewrite layer_page; lia|]. apply IH; auto; [lia|].
  intros Hm. specialize (Ht ltac:(lia)). replace (S t) with (t + 1) by lia. rewrite <- Nat.add_mod_idemp_l, Ht, Nat.mod_small; lia.
Qed.

Hypothesis l_pos : 1 <= l.

Lemma mod_apart x d : 0 < d -> d < l -> (x + d) mod l <> x mod l.
Proof.
  intros H1 H2 H. rewrite <- Nat.add_mod_idemp_l in H by lia.
  pose proof (Nat.mod_upper_bound x l ltac:(lia)) as B. set (r := x mod l) in *.
  destruct (le_lt_dec l (r + d)) as [C|C].
  - replace (r + d) with ((r + d - l) + 1 * l) in H by lia. rewrite Nat.mod_add in H by lia.
    rewrite Nat.mod_small in H; lia.
  - rewrite Nat.mod_small in H; lia.
Qed.

Lemma backwards_nth h : backwards h -> forall i, i < length h -> layer n (nth i h 0) = (length h - 1 - i) mod l.
Proof.
  induction h as [|p h IH]; simpl; intros H i Hi; [lia|]. destruct H as [_ [H1 H2]].
  destruct i as [|i]; [rewrite H1; f_equal; lia|]. rewrite IH by (auto; lia). f_equal. lia.
Qed.

Lemma window_layers h : backwards h -> NoDup (map (layer n) (firstn l h)).
Proof.
  intros H. apply NoDup_nth with (d := layer n 0). intros i j Hi Hj E.
  rewrite map_length, firstn_length in Hi, Hj. rewrite !map_nth in E.
  rewrite !nth_window, !backwards_nth in E by (auto; lia).
  destruct (lt_eq_lt_dec i j) as [[C|C]|C]; auto; exfalso.
  - apply (mod_apart (length h - 1 - j) (j - i)); try lia. rewrite <- E. f_equal. lia.
  - apply (mod_apart (length h - 1 - i) (i - j)); try lia. rewrite E. f_equal. lia.
Qed.
Lemma window_NoDup h : backwards h -> NoDup (firstn l h).
Proof. intros H. apply window_layers in H. apply NoDup_map_inv in H. auto. Qed.

(* the pages of LRU's order after the last l requests *)
Definition older (h : list nat) : list nat := skipn l (recency h).

Lemma skipn_exact (x y : list nat) j : length x = j -> skipn j (x ++ y) = y.
Proof. intros <-. induction x; simpl; auto. Qed.
Lemma recency_prefix h : forall j, j <= length h -> NoDup (firstn j h) -> recency h = firstn j h ++ skipn j (recency h).
Proof.
  induction h as [|p h IH]; intros j Hj Hd; [destruct j; [auto|simpl in Hj; lia]|].
  destruct j as [|j]; auto. simpl in *. inversion Hd as [|x y H1 H2]; subst. f_equal.
  rewrite (IH j) by (auto; lia). rewrite remove_app, (notin_remove _ _ _ H1). f_equal.
  rewrite skipn_exact; auto. rewrite firstn_length. lia.
Qed.
Lemma recency_window h : backwards h -> l <= length h -> recency h = firstn l h ++ older h.
Proof. intros H1 H2. apply recency_prefix; auto. apply window_NoDup; auto. Qed.

(* one request: the window moves on, and the page that leaves it goes on top of the older ones *)
Lemma window_step p h : backwards (p :: h) -> l <= length h -> exists q,
  firstn l h = firstn (l - 1) h ++ [q] /\ layer n p = layer n q /\
  firstn l (p :: h) = p :: firstn (l - 1) h /\ ~ In p (firstn (l - 1) h) /\ older (p :: h) = remove Nat.eq_dec p (q :: older h).
Proof.
  intros H Hl. exists (nth (l - 1) h 0).
  assert (E1 : firstn l h = firstn (l - 1) h ++ [nth (l - 1) h 0]).
  { replace l with (S (l - 1)) at 1 by lia. generalize (l - 1) (Nat.lt_le_trans (l - 1) l (length h) ltac:(lia) Hl). clear.
    intros j. revert h. induction j; intros [|x h]; simpl; try lia; auto. intros H. f_equal. apply IHj. lia. }
  assert (E2 : firstn l (p :: h) = p :: firstn (l - 1) h) by (replace l with (S (l - 1)) at 1 by lia; reflexivity).
  pose proof (window_NoDup _ H) as D. rewrite E2 in D. inversion D as [|x y D1 D2]; subst.
  split; [exact E1|]. split.
  { destruct H as [_ [H H2]]. rewrite backwards_nth by (auto; lia). rewrite H.
    replace (length h) with ((length h - 1 - (l - 1)) + 1 * l) at 1 by lia. rewrite Nat.mod_add; lia. }
  split; [exact E2|]. split; [exact D1|].
  unfold older at 1. simpl recency. destruct H as [_ [_ H]]. rewrite (recency_window h H Hl), E1, <- app_assoc, remove_app.
  rewrite (notin_remove _ _ _ D1). replace l with (S (l - 1)) at 1 by lia. cbn [skipn].
  rewrite skipn_exact; auto. rewrite firstn_length. lia.
Qed.

Lemma older_NoDup h : NoDup (older h).
Proof.
  unfold older. pose proof (recency_NoDup h) as H. revert H. generalize (recency h). intros r H.
  rewrite <- (firstn_skipn l r) in H. induction (firstn l r); simpl in *; auto. inversion H; subst; auto.
Qed.
Lemma older_apart h x : backwards h -> l <= length h -> In x (firstn l h) -> ~ In x (older h).
Proof.
  intros H1 H2 Hx Ho. pose proof (recency_NoDup h) as D. rewrite (recency_window h H1 H2) in D.
  induction (firstn l h) as [|y r IH]; simpl in *; [tauto|]. inversion D as [|u v D1 D2]; subst.
  destruct Hx as [->|Hx]; auto. apply D1, in_or_app. auto.
Qed.
Lemma lru_window k h : backwards h -> l <= length h -> l <= k -> lru k h = firstn l h ++ firstn (k - l) (older h).
Proof.
  intros H1 H2 H3. unfold lru. rewrite (recency_window h H1 H2), firstn_app, firstn_firstn, firstn_length.
  replace (Nat.min k l) with l by lia. replace (k - Nat.min l (length h)) with (k - l) by lia. reflexivity.
Qed.
End Layers.
