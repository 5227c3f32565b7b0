(* LRU misses at most k (m + 1) times, m being the cost of any schedule: for all k, on every sequence, layered or not. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online.
From LP Require Import marking_upper.
Import ListNotations.

Theorem lru_upper : forall k, 1 <= k -> forall h m, schedule k [] (rev h) m -> misses (lru k) h <= k * (m + 1).
Proof. intros k Hk. apply marking_upper; auto. apply lru_marking; auto. Qed.
