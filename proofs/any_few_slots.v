(* Fewer slots than layers: every policy that misses at most once a request has a ratio of at most (l - 1) / (l - k). *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Laziness Online Layers Ages.
Import ListNotations.

Lemma few_slots_optimum l n k : 1 <= k -> k < l -> forall h m, layered l n 0 (rev h) -> schedule k [] (rev h) m ->
  (l - k) * length h <= (l - 1) * m.
Proof.
  intros Hk Hl.
  assert (R : forall s h C m, backwards l n h -> layered l n (length h) s -> is_cache k C -> incl C h -> lazy_schedule k C s m ->
    (l - k) * length s <= (l - 1) * m + ages (l - 1) h C).
  { induction s as [|p s IH]; intros h C m Hb Hs HC Hi HL; [cbn [length]; rewrite Nat.mul_0_r; apply Nat.le_0_l|].
    inversion HL as [|c p' s' o C' m' Ha Hr]; subst. destruct Hs as [S1 [S2 S3]].
    assert (Hb' : backwards l n (p :: h)) by (simpl; auto).
    destruct (ages_step k Hk (l - 1) h C p o C' HC Ha) as [A1 [A2 [A3 A4]]].
    specialize (IH (p :: h) C' m' Hb' S3 A1 (answers_held _ _ _ _ _ _ Hi Ha) Hr).
    cbn [length]. rewrite Nat.mul_succ_r, Nat.mul_add_distr_l. destruct (mem p C) eqn:M.
    - subst o. assert (l - 1 <= age h p) by (apply (age_layered l n); auto; [lia|]; apply Hi, mem_In; auto). lia.
    - subst o. lia. }
  intros h m Hb Hs. destruct (lazy_optimal k _ _ Hs) as [m' [L1 L2]].
  specialize (R (rev h) [] [] m'). simpl in R. rewrite rev_length in R.
  assert ((l - 1) * m' <= (l - 1) * m) by (apply Nat.mul_le_mono_l; auto).
  apply Nat.le_trans with ((l - 1) * m' + 0); [|lia]. apply R; auto; [split; [constructor|simpl; lia]|intros x []].
Qed.

Lemma misses_length alg h : misses alg h <= length h.
Proof. induction h; simpl; [lia|]. destruct (mem a (alg h)); lia. Qed.

Theorem any_few_slots : forall l n k, 1 <= k -> k < l -> forall alg h m, layered l n 0 (rev h) -> schedule k [] (rev h) m ->
  (l - k) * misses alg h <= (l - 1) * m.
Proof.
  intros l n k Hk Hl alg h m Hb Hs. apply Nat.le_trans with ((l - k) * length h).
  - apply Nat.mul_le_mono_l, misses_length.
  - apply few_slots_optimum with n; auto.
Qed.
