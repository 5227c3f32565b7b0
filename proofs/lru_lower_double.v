(* LRU has a ratio of at least 2 (k - l) + 1 for l < k <= 2 l - 1 and n >= 2.
   In k - l + 1 layers two pages take turns; in the others one page is requested always.  LRU misses every page that takes
   turns.  The schedule keeps the others, and has one slot too few for the pages that take turns. *)
From Coq Require Import List Arith Bool Lia FinFun.
From LP.library Require Import Model Online Layers Lower Cyclic Attack.
Import ListNotations.

Section Double.
Variables l n k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis l_lt_k : l < k.
Hypothesis k_small : k <= 2 * l - 1.
Hypothesis n_two : 2 <= n.
Let b := k - l + 1.
Definition alts (e : nat) : list nat := map (fun j => j * n + e) (seq 0 b).
Definition singles : list nat := map (fun j => j * n + 0) (seq b (l - b)).

Lemma alts_length e : length (alts e) = b.
Proof. unfold alts. rewrite map_length, seq_length. auto. Qed.
Lemma singles_length : length singles = l - b.
Proof. unfold singles. rewrite map_length, seq_length. auto. Qed.
Lemma row_NoDup e i m : NoDup (map (fun j => j * n + e) (seq i m)).
Proof.
  apply Injective_map_NoDup; [|apply seq_NoDup]. intros x y H.
  apply (Nat.mul_cancel_r x y n); lia.
Qed.
Lemma row_apart e f i m j r p : In p (map (fun j => j * n + e) (seq i m)) -> In p (map (fun j => j * n + f) (seq j r)) ->
  e < n -> f < n -> e = f /\ exists x, i <= x < i + m /\ j <= x < j + r.
Proof.
  intros H1 H2 He Hf. apply in_map_iff in H1, H2. destruct H1 as [x [X1 X2]], H2 as [y [Y1 Y2]].
  apply in_seq in X2, Y2. assert (Ex : layer n p = x) by (rewrite <- X1; apply layer_page; auto).
  assert (Ey : layer n p = y) by (rewrite <- Y1; apply layer_page; auto). subst x. subst y. split; [lia|]. exists (layer n p). lia.
Qed.

Definition ready (e : nat) (h : list nat) : Prop := backwards l n h /\ length h mod l = 0 /\ l <= length h /\
  window l h = alts e ++ singles /\ older l h = rev (alts (1 - e)).

Lemma round_layered e t : e <= 1 -> t mod l = 0 -> layered l n t (alts e ++ singles).
Proof.
  intros He Ht. apply layered_app; [apply layered_row; unfold b; lia|]. rewrite alts_length. apply layered_row; try (unfold b; lia).
  intros H. rewrite <- Nat.add_mod_idemp_l, Ht by lia. apply Nat.mod_small. lia.
Qed.

Lemma round e h : e <= 1 -> ready e h -> ready (1 - e) (rev (alts (1 - e) ++ singles) ++ h) /\
  misses (lru k) h + b <= misses (lru k) (rev (alts (1 - e) ++ singles) ++ h).
Proof.
  intros He [R1 [R2 [R3 [R4 R5]]]].
  pose proof (round_layered (1 - e) (length h) ltac:(lia) R2) as L. assert (R6 := proj2 (backwards_app l n _ h) (conj R1 L)).
  rewrite rev_app_distr, <- app_assoc in *. assert (R7 := backwards_tail _ _ _ _ R6).
  destruct (attack_all l n l_pos k ltac:(lia) (alts (1 - e)) h [] (alts e) singles R7 R3 R5 R4) as [A1 [A2 A3]].
  { rewrite !alts_length. auto. }
  { rewrite R5, rev_length, alts_length. unfold b. lia. }
  destruct (again_all l n l_pos singles (rev (alts (1 - e)) ++ h) (alts (1 - e)) R7) as [B1 [B2 B3]].
  { rewrite app_length. lia. }
  { exact A2. }
  split.
  - split; [exact R6|]. split; [|split; [rewrite !app_length; lia|split; [exact B2|]]].
    + rewrite !app_length, !rev_length, singles_length, alts_length.
      replace (l - b + (b + length h)) with (length h + 1 * l) by (unfold b; lia). rewrite Nat.mod_add; lia.
    + rewrite B3, A3, app_nil_r. do 2 f_equal. lia.
  - rewrite app_assoc in *. pose proof (misses_more (lru k) (rev singles) (rev (alts (1 - e)) ++ h)) as M.
    rewrite A1, alts_length in M. rewrite <- app_assoc. exact M.
Qed.

Lemma beginning : ready 1 (rev ((alts 0 ++ singles) ++ alts 1 ++ singles)).
Proof.
  pose proof (round_layered 0 0 ltac:(lia) (Nat.mod_0_l l ltac:(lia))) as L0.
  assert (Len : length (alts 0 ++ singles) = l) by (rewrite app_length, alts_length, singles_length; unfold b; lia).
  assert (Len1 : length (alts 1 ++ singles) = l) by (rewrite app_length, alts_length, singles_length; unfold b; lia).
  pose proof (round_layered 1 l ltac:(lia) (Nat.mod_same l ltac:(lia))) as L1.
  assert (B0 : backwards l n (rev (alts 0 ++ singles))).
  { rewrite <- (app_nil_r (rev (alts 0 ++ singles))). apply backwards_app. split; [simpl; auto|exact L0]. }
  assert (B1 : backwards l n (rev (alts 1 ++ singles) ++ rev (alts 0 ++ singles))).
  { apply backwards_app. split; auto. rewrite rev_length, Len. auto. }
  assert (W0 : window l (rev (alts 0 ++ singles)) = alts 0 ++ singles).
  { unfold window. rewrite firstn_all2 by (rewrite rev_length, Len; auto). apply rev_involutive. }
  assert (O0 : older l (rev (alts 0 ++ singles)) = []).
  { unfold older. rewrite recency_self.
    - apply skipn_all2. rewrite rev_length, Len. auto.
    - apply NoDup_rev, NoDup_app_; [apply row_NoDup|apply row_NoDup|]. intros p H1 H2.
      destruct (row_apart _ _ _ _ _ _ _ H1 H2 ltac:(lia) ltac:(lia)) as [_ [x Hx]]. lia. }
  rewrite rev_app_distr. split; [exact B1|]. split.
  { rewrite app_length, !rev_length, Len, Len1. replace (l + l) with (2 * l) by lia. apply Nat.mod_mul. lia. }
  split; [rewrite app_length, !rev_length, Len, Len1; lia|].
  rewrite (rev_app_distr (alts 1)), <- app_assoc in *. assert (B2 := backwards_tail _ _ _ _ B1).
  destruct (fresh_all l n l_pos (alts 1) (rev (alts 0 ++ singles)) (alts 0) singles B2) as [F1 F2].
  { rewrite rev_length, Len. auto. }
  { exact W0. }
  { rewrite !alts_length. auto. }
  { apply row_NoDup. }
  { intros z H1 H2. rewrite <- in_rev in H2. apply in_app_or in H2. destruct H2 as [H2|H2];
      destruct (row_apart _ _ _ _ _ _ _ H1 H2 ltac:(lia) ltac:(lia)) as [E _]; discriminate. }
  destruct (again_all l n l_pos singles (rev (alts 1) ++ rev (alts 0 ++ singles)) (alts 1) B2) as [A1 [A2 A3]].
  { rewrite !app_length, !rev_length, Len. lia. }
  { exact F1. }
  split; [exact A2|]. rewrite A3, F2, O0, app_nil_r. auto.
Qed.

Lemma rounds X : forall e h, e <= 1 -> ready e h -> exists s c', layered l n (length h) s /\
  misses (lru k) h + X * b <= misses (lru k) (rev s ++ h) /\ turns singles (alts (1 - e) ++ alts e) s (X * b) c'.
Proof.
  induction X as [|X IH]; intros e h He Hr.
  - exists [], (alts (1 - e) ++ alts e). simpl. split; auto. split; [lia|constructor].
  - destruct (round e h He Hr) as [R1 R2]. destruct (IH (1 - e) _ ltac:(lia) R1) as [s [c' [S1 [S2 S3]]]].
    exists ((alts (1 - e) ++ singles) ++ s), c'. split; [|split].
    + apply layered_app; [apply round_layered; [lia|apply Hr]|].
      rewrite app_length, rev_length in S1. rewrite Nat.add_comm. exact S1.
    + rewrite rev_app_distr, <- app_assoc. rewrite Nat.mul_succ_l. lia.
    + rewrite Nat.mul_succ_l, (Nat.add_comm (X * b)). rewrite <- app_assoc. rewrite <- (alts_length (1 - e)) at 1.
      apply turns_app with (alts e ++ alts (1 - e)).
      * apply turns_list.
      * change (X * b) with (0 + X * b). apply turns_app with (alts e ++ alts (1 - e)); [apply turns_kept; intros x Hx; auto|].
        replace (1 - (1 - e)) with e in S3 by lia. exact S3.
Qed.

Lemma double P Q : at_most l n k (misses (lru k)) P Q -> Q * (2 * (k - l) + 1) <= P.
Proof.
  intros H. rewrite <- (Nat.mul_1_r P).
  set (start := (alts 0 ++ singles) ++ alts 1 ++ singles). set (c := alts 0 ++ alts 1).
  set (bs := repeat true (2 * (k - l)) ++ repeat false 1).
  assert (Lb : length bs = 2 * (k - l) + 1) by (unfold bs; rewrite app_length, !repeat_length; lia).
  assert (Cb : count bs = 2 * (k - l)) by apply count_chosen.
  destruct (after k start ltac:(lia)) as [c0 Hafter].
  apply (lower_from l n k (misses (lru k))) with (c := due bs + (2 * (k - l) + 1) * c0); auto. intros X. exists (X * b).
  destruct (rounds X 1 (rev start) (le_n 1) beginning) as [s [c' [S1 [S2 S3]]]].
  destruct (turns_run k singles _ _ _ _ S3 bs) as [m [M1 M2]].
  - apply NoDup_app_; [apply row_NoDup| |].
    + apply NoDup_app_; [apply row_NoDup|apply row_NoDup|]. intros p H1 H2.
      destruct (row_apart _ _ _ _ _ _ _ H1 H2 ltac:(lia) ltac:(lia)) as [E _]. discriminate.
    + intros p H1 H2. apply in_app_or in H2. destruct H2 as [H2|H2];
        destruct (row_apart _ _ _ _ _ _ _ H1 H2 ltac:(lia) ltac:(lia)) as [E [x Hx]]; lia.
  - rewrite Lb, app_length, !alts_length. unfold b. lia.
  - lia.
  - rewrite Cb, singles_length. unfold b. lia.
  - destruct (Hafter _ _ _ M1) as [m' [A1 A2]]. exists (rev s ++ rev start), m'.
    split; [rewrite <- (Nat.mul_1_r X) at 1; apply Nat.mul_le_mono_l; unfold b; lia|].
    rewrite rev_app_distr, !rev_involutive. split.
    + rewrite rev_length in S1. apply layered_app; auto.
      destruct beginning as [B _]. apply layered_backwards in B. fold start in B. rewrite rev_involutive in B. exact B.
    + split; auto. split; [apply Nat.le_trans with (misses (lru k) (rev s ++ rev start)); [lia|apply Nat.le_add_r]|].
      rewrite Lb, Cb in M2. replace (2 * (k - l) + 1 - 2 * (k - l)) with 1 in M2 by lia.
      assert ((2 * (k - l) + 1) * m' <= (2 * (k - l) + 1) * (m + c0)) by (apply Nat.mul_le_mono_l; auto).
      rewrite (Nat.mul_add_distr_l _ m c0) in H0. lia.
Qed.
End Double.

Theorem lru_lower_double : forall l n k, l < k -> k <= 2 * l - 1 -> 2 <= n ->
  forall P Q, at_most l n k (misses (lru k)) P Q -> Q * (2 * (k - l) + 1) <= P.
Proof. intros l n k H1 H2 H3 P Q H. apply double with n; auto. lia. Qed.
