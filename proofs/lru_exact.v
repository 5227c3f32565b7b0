(* The ratio of LRU at all sizes: (l - 1) / (l - k) for k < l, 2 - 1/l at k = l, min(k, 2 (k - l) + 1) for k > l. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online.
From LP Require Import lru_upper lru_few_slots lru_equal_slots lru_layered_upper lru_lower_double lru_lower.
Import ListNotations.

Theorem lru_exact : forall l n k, 1 <= l -> 2 <= n -> 1 <= k -> k + 1 <= l * n ->
  (k < l -> ratio l n k (misses (lru k)) (l - 1) (l - k)) /\
  (k = l -> ratio l n k (misses (lru k)) (2 * l - 1) l) /\
  (l < k -> ratio l n k (misses (lru k)) (Nat.min k (2 * (k - l) + 1)) 1).
Proof.
  intros l n k Hl Hn Hk Hs. split; [|split].
  - intros H. apply lru_few_slots; lia.
  - intros ->. apply lru_equal_slots; auto.
  - intros H. split; [auto|]. destruct (Nat.min_dec k (2 * (k - l) + 1)) as [E|E]; rewrite E.
    + split.
      * exists k. intros h m _ H2. rewrite Nat.mul_1_l. pose proof (lru_upper k Hk h m H2). lia.
      * intros P Q H3. rewrite Nat.mul_1_r. apply lru_lower with l n; auto. lia.
    + split.
      * exists (2 * k). intros h m H1 H2. rewrite Nat.mul_1_l. apply lru_layered_upper with n; auto.
      * intros P Q H3. rewrite Nat.mul_1_r. destruct (le_lt_dec k (2 * l - 1)) as [C|C].
        -- apply lru_lower_double with n; auto.
        -- replace (2 * (k - l) + 1) with k by lia. apply lru_lower with l n; auto. lia.
Qed.
