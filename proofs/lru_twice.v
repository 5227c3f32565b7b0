(* For k >= l, LRU's ratio is less than twice the ratio of any online policy, whatever that does. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online.
From LP Require Import deterministic_lower lru_exact.
Import ListNotations.

Theorem lru_twice : forall l n k, 1 <= l -> l <= k -> k + 1 <= l * n ->
  exists R S, ratio l n k (misses (lru k)) R S /\
  forall alg, online alg k -> forall P Q, 1 <= Q -> at_most l n k (paid alg) P Q -> R * Q < 2 * P * S.
Proof.
  intros l n k Hl Hk Hs. assert (Hn : 2 <= n) by (destruct n as [|[|n]]; lia).
  destruct (lru_exact l n k Hl Hn ltac:(lia) Hs) as [_ [E1 E2]].
  destruct (le_lt_eq_dec l k Hk) as [C|C].
  - exists (Nat.min k (2 * (k - l) + 1)), 1. split; [auto|]. intros alg Ha P Q HQ H.
    pose proof (deterministic_lower l n k Hl Hk Hs alg Ha P Q H) as D.
    assert (Nat.min k (2 * (k - l) + 1) * Q <= (2 * (k - l) + 1) * Q) by (apply Nat.mul_le_mono_r; lia). lia.
  - exists (2 * l - 1), l. split; [auto|]. intros alg Ha P Q HQ H.
    pose proof (deterministic_lower l n k Hl Hk Hs alg Ha P Q H) as D. subst k. replace (l - l + 1) with 1 in D by lia.
    assert (l * Q <= l * P) by (apply Nat.mul_le_mono_l; lia).
    rewrite Nat.mul_sub_distr_r. replace (2 * P * l) with (2 * (l * P)) by ring. replace (2 * l * Q) with (2 * (l * Q)) by ring.
    assert (1 * 1 <= l * Q) by (apply Nat.mul_le_mono; auto). lia.
Qed.
