(* LRU with as many slots as layers: its ratio is exactly 2 - 1/l. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Laziness Online Layers Ages Cyclic.
Import ListNotations.

(* LRU holds the current pages; a hit of the schedule that is none of LRU has kept the page for 2 l - 1 requests *)
Theorem lru_equal_upper : forall l n, 1 <= l -> forall h m, layered l n 0 (rev h) -> schedule l [] (rev h) m ->
  l * misses (lru l) h <= (2 * l - 1) * m.
Proof.
  intros l n Hl.
  assert (R : forall s h C m, backwards l n h -> layered l n (length h) s -> is_cache l C -> incl C h -> lazy_schedule l C s m ->
    l * misses (lru l) (rev s ++ h) <= l * misses (lru l) h + (2 * l - 1) * m + ages (2 * l - 1) h C).
  { induction s as [|p s IH]; intros h C m Hb Hs HC Hi HL; [cbn [rev app]; rewrite <- Nat.add_assoc; apply Nat.le_add_r|].
    inversion HL as [|c p' s' o C' m' Ha Hr]; subst. destruct Hs as [S1 [S2 S3]].
    assert (Hb' : backwards l n (p :: h)) by (simpl; auto).
    destruct (ages_step l Hl (2 * l - 1) h C p o C' HC Ha) as [A1 [A2 [A3 A4]]].
    specialize (IH (p :: h) C' m' Hb' S3 A1 (answers_held _ _ _ _ _ _ Hi Ha) Hr).
    simpl rev. rewrite <- app_assoc. simpl app. cbn [misses] in IH. rewrite !Nat.mul_add_distr_l in *.
    assert (Hw : In p (firstn l h) -> mem p (lru l h) = true).
    { intros H. apply mem_In. unfold lru. destruct (le_lt_dec l (length h)) as [L|L].
      - rewrite (recency_window l n Hl h Hb L), firstn_app. apply in_or_app. left. rewrite firstn_firstn, Nat.min_id. auto.
      - rewrite firstn_all2; [apply recency_In; apply In_firstn in H; auto|]. pose proof (recency_length h). lia. }
    destruct (mem p C) eqn:M.
    - subst o. apply mem_In, Hi in M. destruct (age_layered l n h p Hl Hb' M) as [G1 G2].
      destruct (in_dec Nat.eq_dec p (firstn l h)) as [W|W].
      + rewrite (Hw W) in IH. lia.
      + specialize (G2 W). destruct (mem p (lru l h)); lia.
    - subst o. destruct (mem p (lru l h)); lia. }
  intros h m Hb Hs. destruct (lazy_optimal l _ _ Hs) as [m' [L1 L2]].
  specialize (R (rev h) [] [] m'). rewrite rev_involutive, app_nil_r in R.
  assert ((2 * l - 1) * m' <= (2 * l - 1) * m) by (apply Nat.mul_le_mono_l; auto).
  apply Nat.le_trans with (l * misses (lru l) [] + (2 * l - 1) * m' + ages (2 * l - 1) [] []).
  - apply R; simpl; auto; [split; [constructor|simpl; lia]|intros x []].
  - cbn [misses ages]. rewrite Nat.mul_0_r. lia.
Qed.

Theorem lru_equal_slots : forall l n, 1 <= l -> 2 <= n -> ratio l n l (misses (lru l)) (2 * l - 1) l.
Proof.
  intros l n Hl Hn. split; [auto|]. split.
  - exists 0. intros h m H1 H2. rewrite Nat.add_0_r. apply lru_equal_upper with n; auto.
  - intros P Q H. pose proof (cycle_length l n 2) as L. pose proof (cycle_ratio l n l Hl (cycle l n 2) P Q) as G.
    rewrite L in G. replace (l * 2 - 1) with (2 * l - 1) in G by lia. replace (l * 2 - l) with l in G by lia. apply G; auto; try lia.
    + apply cycle_NoDup; lia.
    + rewrite Nat.mul_comm. apply Nat.mod_mul. lia.
    + apply cycle_fits; lia.
Qed.
