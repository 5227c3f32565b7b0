(* For k >= l the best randomized ratio is at least H_(k-l+1), and at most what LRU has: 2 - 1/l at k = l, min(k, 2 (k - l) + 1)
   for k > l.  A deterministic policy is a randomized one that never draws. *)
From Coq Require Import List Arith Bool Lia QArith Lqa.
From LP.library Require Import Model Online Policies Chance.
From LP Require Import lru_exact randomized_harmonic.
Import ListNotations.
Local Open Scope Q_scope.

Definition sure (alg : list nat -> cache) (h : list nat) (c : cache) : dist cache := [(1, alg h)].
Lemma sure_law alg h : alg [] = [] -> exists w, law (sure alg) h = [(w, alg h)] /\ w == 1.
Proof.
  intros E. induction h as [|p h [w [I1 I2]]]; [exists 1; rewrite E; split; [auto|reflexivity]|].
  exists (w * 1). cbn [law]. rewrite I1. split; [reflexivity|]. rewrite I2. reflexivity.
Qed.
Lemma sure_randomized alg l n k : lazy alg k -> randomized (sure alg) l n k.
Proof.
  intros [E [H1 H2]] p h _ w c _. split.
  - split; [intros v C [[= <- <-]|[]]; lra|simpl; ring].
  - intros v C [[= <- <-]|[]]. split; [apply H1|apply H2].
Qed.
Lemma sure_pays alg k h : lazy alg k -> expected (sure alg) h == q (misses alg h).
Proof.
  intros L. rewrite <- (lazy_paid alg k L). induction h as [|p h IH]; [reflexivity|]. cbn [expected paid].
  destruct (sure_law alg h (proj1 L)) as [w [E1 E2]]. rewrite E1, IH, q_plus. unfold sure, loads. cbn [mean]. rewrite E2. ring.
Qed.
Lemma sure_ratio alg l n k P Q : (1 <= Q)%nat -> lazy alg k -> at_most l n k (misses alg) P Q ->
  expected_at_most l n k (sure alg) (q P / q Q).
Proof.
  intros HQ L [add H]. exists (q add / q Q). intros h m H1 H2. specialize (H h m H1 H2). apply q_le in H.
  rewrite q_plus, !q_mult in H. rewrite (sure_pays alg k h L). assert (0 < q Q) by (apply q_pos; lia).
  apply Qle_trans with ((q P * q m + q add) / q Q).
  - apply Qle_shift_div_l; [auto|]. lra.
  - apply Qle_lteq. right. field. lra.
Qed.

Theorem randomized_bracket : forall l n k, (1 <= l)%nat -> (l <= k)%nat -> (k + 1 <= l * n)%nat ->
  forall r, best_randomized l n k r -> harmonic (k - l + 1) <= r /\
  (k = l -> r <= q (2 * l - 1) / q l) /\ ((l < k)%nat -> r <= q (Nat.min k (2 * (k - l) + 1))).
Proof.
  intros l n k Hl Hk Hs r [[kernel [B1 B2]] B3]. assert (Hn : (2 <= n)%nat) by (destruct n as [|[|n]]; lia).
  assert (H1 : 1 <= harmonic (k - l + 1)).
  { replace (k - l + 1)%nat with (S (k - l)) by lia. generalize (k - l)%nat. clear. induction n as [|m IH]; [cbn; lra|].
    change (harmonic (S (S m))) with (harmonic (S m) + / q (S (S m))). pose proof (q_inv (S (S m))). lra. }
  assert (P0 : forall P Q, (1 <= Q)%nat -> 0 <= q P / q Q).
  { intros P Q HQ. unfold Qdiv. apply Qmult_le_0_compat; [apply q_0|apply q_inv]. }
  destruct (lru_exact l n k Hl Hn ltac:(lia) Hs) as [_ [E1 E2]]. split; [|split].
  - destruct (Qlt_le_dec r 0) as [C|C]; [|apply (randomized_harmonic l n k Hl Hk Hs kernel B1 r C B2)].
    exfalso. assert (H0 : expected_at_most l n k kernel 0).
    { destruct B2 as [add A]. exists add. intros h m L1 L2. specialize (A h m L1 L2). pose proof (q_0 m).
      assert (r * q m <= 0 * q m) by (apply Qmult_le_compat_r; lra). lra. }
    pose proof (randomized_harmonic l n k Hl Hk Hs kernel B1 0 (Qle_refl 0) H0). lra.
  - intros E. destruct (E1 E) as [HS [H2 _]].
    apply (B3 (sure (lru k)) (sure_randomized _ l n k (lru_lazy k ltac:(lia))) _ (P0 _ _ HS) (sure_ratio _ l n k _ _ HS (lru_lazy k ltac:(lia)) H2)).
  - intros C. destruct (E2 C) as [HS [H2 _]]. pose proof (B3 (sure (lru k)) (sure_randomized _ l n k (lru_lazy k ltac:(lia)))
      _ (P0 _ _ HS) (sure_ratio _ l n k _ _ HS (lru_lazy k ltac:(lia)) H2)) as F.
    setoid_replace (q (Nat.min k (2 * (k - l) + 1))) with (q (Nat.min k (2 * (k - l) + 1)) / q 1); [exact F|]. change (q 1) with 1. field.
Qed.
