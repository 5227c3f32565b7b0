(* LRU on a cycle of N pages, k < N: it misses always, and a schedule misses N - k times in N - 1 requests. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Layers Lower.
Import ListNotations.

Lemma recency_self h : NoDup h -> recency h = h.
Proof. induction 1; simpl; auto. rewrite IHNoDup, notin_remove; auto. Qed.

Lemma count_chosen i j : count (repeat true i ++ repeat false j) = i.
Proof.
  rewrite count_app. replace (count (repeat true i)) with i by (induction i; simpl; auto).
  replace (count (repeat false j)) with 0 by (induction j; simpl; auto). lia.
Qed.

Section Cyclic.
Variables l n k : nat.
Hypothesis l_pos : 1 <= l.

(* the pages of c can be requested one after the other from time t on *)
Definition fits (t : nat) (c : list nat) : Prop :=
  forall i, i < length c -> nth i c 0 < l * n /\ layer n (nth i c 0) = (t + i) mod l.

Lemma fits_tail t p c : fits t (p :: c) -> fits (S t) c.
Proof.
  intros H i Hi. destruct (H (S i) ltac:(simpl; lia)) as [H1 H2]. simpl in *. split; auto. rewrite H2. f_equal. lia.
Qed.
Lemma fits_layered c : forall t, fits t c -> layered l n t c.
Proof.
  induction c as [|p c IH]; intros t H; simpl; auto. destruct (H 0 ltac:(simpl; lia)) as [H1 H2]. simpl in *.
  rewrite Nat.add_0_r in H2. repeat split; auto. apply IH, fits_tail with p; auto.
Qed.
Lemma fits_turn t p c : length (p :: c) mod l = 0 -> fits t (p :: c) -> fits (S t) (c ++ [p]).
Proof.
  intros HN H i Hi. rewrite app_length in Hi. simpl in Hi. destruct (Nat.eq_dec i (length c)) as [->|N].
  - rewrite nth_middle. destruct (H 0 ltac:(simpl; lia)) as [H1 H2]. simpl in *. split; auto. rewrite H2, Nat.add_0_r.
    replace (S (t + length c)) with (t + S (length c)) by lia. rewrite <- Nat.add_mod_idemp_r, HN, Nat.add_0_r by lia. auto.
  - rewrite app_nth1 by lia. apply fits_tail in H. apply H. lia.
Qed.

Lemma cycle_exists T : forall c t, c <> [] -> length c mod l = 0 -> fits t c ->
  exists s c', turns [] c s T c' /\ layered l n t s.
Proof.
  induction T as [|T IH]; intros c t Hc HN H; [exists [], c; split; [constructor|simpl; auto]|].
  destruct c as [|p c]; [congruence|].
  destruct (IH (c ++ [p]) (S t)) as [s [c' [H1 H2]]]; [intros E; destruct c; discriminate| |apply fits_turn; auto|].
  - rewrite app_length. simpl in *. rewrite Nat.add_1_r. exact HN.
  - exists (p :: s), c'. split; [apply turns_next; auto|]. destruct (fits_layered _ _ H) as [L1 [L2 _]]. simpl. auto.
Qed.

Lemma cycle_misses keep c s T c' : turns keep c s T c' -> keep = [] -> forall h, recency h = rev c -> NoDup c -> k < length c ->
  misses (lru k) (rev s ++ h) = misses (lru k) h + T.
Proof.
  induction 1 as [c|c p s t c' Hp Ht IH|c p s t c' Ht IH]; intros E h Hr Hd Hk; subst; [simpl; lia|inversion Hp|].
  simpl in Hr, Hk. inversion Hd as [|x y D1 D2]; subst. simpl rev. rewrite <- app_assoc. simpl app.
  rewrite (IH eq_refl).
  - cbn [misses]. replace (mem p (lru k h)) with false; [lia|]. symmetry. apply not_true_iff_false. rewrite mem_In.
    unfold lru. rewrite Hr, firstn_app, rev_length. replace (k - length c) with 0 by lia. rewrite app_nil_r.
    intros H. apply In_firstn, in_rev in H. tauto.
  - simpl. rewrite Hr, remove_app. simpl. destruct (Nat.eq_dec p p); [|congruence]. rewrite app_nil_r, rev_app_distr. simpl.
    rewrite notin_remove; auto. rewrite <- in_rev. auto.
  - apply NoDup_incl_NoDup with (p :: c); auto; [rewrite app_length; simpl; lia|].
    intros x. rewrite in_app_iff. simpl. tauto.
  - rewrite app_length. simpl. lia.
Qed.

(* the cycle of w pages of each layer *)
Definition cycle (w : nat) : list nat := map (fun i => (i mod l) * n + i / l) (seq 0 (l * w)).
Lemma cycle_length w : length (cycle w) = l * w.
Proof. unfold cycle. rewrite map_length, seq_length. auto. Qed.
Lemma cycle_page w i : w <= n -> i < l * w ->
  (i mod l) * n + i / l < l * n /\ layer n ((i mod l) * n + i / l) = i mod l /\ ((i mod l) * n + i / l) mod n = i / l.
Proof.
  intros Hw Hi. assert (i / l < w) by (apply Nat.div_lt_upper_bound; lia).
  pose proof (Nat.mod_upper_bound i l ltac:(lia)). split; [apply page_small; lia|]. split; [apply layer_page; lia|].
  rewrite Nat.add_comm, Nat.mod_add, Nat.mod_small; lia.
Qed.
Lemma cycle_fits w : w <= n -> fits 0 (cycle w).
Proof.
  intros Hw i Hi. rewrite cycle_length in Hi. unfold cycle. set (f := fun i => (i mod l) * n + i / l).
  rewrite nth_indep with (d' := f 0) by (rewrite map_length, seq_length; auto). rewrite map_nth, seq_nth by auto.
  destruct (cycle_page w i Hw Hi) as [H1 [H2 _]]. auto.
Qed.
Lemma cycle_NoDup w : w <= n -> NoDup (cycle w).
Proof.
  intros Hw. assert (G : forall s, NoDup s -> (forall i, In i s -> i < l * w) -> NoDup (map (fun i => (i mod l) * n + i / l) s)).
  { induction 1 as [|i s Hi Hs IH]; intros Hb; simpl; constructor; [|apply IH; intros j Hj; apply Hb; right; auto].
    intros H. apply in_map_iff in H. destruct H as [j [E Hj]].
    destruct (cycle_page w i Hw (Hb i (or_introl eq_refl))) as [_ [A1 A2]].
    destruct (cycle_page w j Hw (Hb j (or_intror Hj))) as [_ [B1 B2]]. rewrite E in B1, B2.
    apply Hi. replace i with j; auto. rewrite (Nat.div_mod i l), (Nat.div_mod j l) by lia. congruence. }
  apply G; [apply seq_NoDup|]. intros i Hi. apply in_seq in Hi. lia.
Qed.

Theorem cycle_ratio c P Q : 1 <= k -> k < length c -> NoDup c -> length c mod l = 0 -> fits 0 c ->
  at_most l n k (misses (lru k)) P Q -> Q * (length c - 1) <= P * (length c - k).
Proof.
  intros Hk Hc Hd HN Hf.
  set (bs := repeat true (k - 1) ++ repeat false (length c - k)).
  assert (Lb : length bs = length c - 1) by (unfold bs; rewrite app_length, !repeat_length; lia).
  assert (Cb : count bs = k - 1) by apply count_chosen.
  destruct (after k c Hk) as [c0 Hafter].
  apply lower_from with (c := due bs + (length c - 1) * c0). intros X. exists X.
  assert (Hne : c <> []) by (intros ->; simpl in Hc; lia).
  destruct (cycle_exists X c (length c) Hne HN) as [s [c' [H1 H2]]].
  { intros i Hi. destruct (Hf i Hi) as [F1 F2]. split; auto. rewrite F2. simpl.
    rewrite <- (Nat.add_mod_idemp_l (length c)), HN by lia. auto. }
  destruct (turns_run k [] c s X c' H1 bs) as [m [M1 M2]]; auto; try (simpl; lia).
  destruct (Hafter _ _ _ M1) as [m' [A1 A2]].
  exists (rev s ++ rev c), m'. split; auto. rewrite rev_app_distr, !rev_involutive.
  split; [apply layered_app; [apply fits_layered; auto|exact H2]|]. split; auto. split.
  - rewrite (cycle_misses _ _ _ _ _ H1 eq_refl); auto; [|apply recency_self, NoDup_rev; auto].
    apply Nat.le_trans with (misses (lru k) (rev c) + X); [lia|apply Nat.le_add_r].
  - rewrite Lb, Cb in M2. replace (length c - 1 - (k - 1)) with (length c - k) in M2 by lia.
    assert ((length c - 1) * m' <= (length c - 1) * (m + c0)) by (apply Nat.mul_le_mono_l; auto).
    rewrite Nat.mul_add_distr_l in H. lia.
Qed.
End Cyclic.
