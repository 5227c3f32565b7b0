(* LRU with fewer slots than layers: its ratio is exactly (l - 1) / (l - k). *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Cyclic.
From LP Require Import any_few_slots.
Import ListNotations.

Theorem lru_few_slots : forall l n k, 1 <= k -> k < l -> 1 <= n -> ratio l n k (misses (lru k)) (l - 1) (l - k).
Proof.
  intros l n k Hk Hl Hn. split; [lia|]. split.
  - exists 0. intros h m H1 H2. rewrite Nat.add_0_r. apply any_few_slots with n; auto.
  - intros P Q H. pose proof (cycle_length l n 1) as L. pose proof (cycle_ratio l n k ltac:(lia) (cycle l n 1) P Q) as G.
    rewrite L, Nat.mul_1_r in G. apply G; auto; try lia.
    + apply cycle_NoDup; lia.
    + apply Nat.mod_same. lia.
    + apply cycle_fits; lia.
Qed.
