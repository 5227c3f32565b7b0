(* No online policy, lazy or not, has a ratio below k - l + 1: for all l, n, k with l <= k and k + 1 <= l n.
   A policy is any function from histories to caches that serves what is asked for: it may prefetch, need not be lazy, and
   may start with any cache.  It pays for what it loads.  The optimum is over all schedules. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Layers Cyclic Cruel.
Import ListNotations.

(* the adversary needs k + 1 pages, one at least in each layer *)
Theorem deterministic_lower : forall l n k, 1 <= l -> l <= k -> k + 1 <= l * n ->
  forall alg, online alg k -> forall P Q, at_most l n k (paid alg) P Q -> Q * (k - l + 1) <= P.
Proof.
  intros l n k H1 H2 H3 alg [F S] P Q [add Hall]. assert (Hn : 1 <= n) by (destruct n; lia).
  destruct (extend (cycle l n 1) (l * n) (k + 1)) as [U [U1 [U2 [U3 U4]]]]; auto.
  - apply cycle_NoDup; auto.
  - intros p Hp. apply In_nth with (d := 0) in Hp. destruct Hp as [i [I1 <-]]. apply (cycle_fits l n H1 1 Hn i I1).
  - rewrite cycle_length. lia.
  - apply (adversary_wins l n k H1 H2 alg F S U) with add; auto; [lia| |].
    + intros p Hp. split; auto. unfold layer. apply U4 in Hp. apply Nat.div_lt_upper_bound; lia.
    + intros i Hi. exists (i mod l * n + i / l). destruct (cycle_page l n H1 1 i Hn ltac:(lia)) as [_ [E _]].
      split; [|rewrite E; apply Nat.mod_small; auto]. apply U3. unfold cycle. apply in_map_iff. exists i.
      split; auto. apply in_seq. lia.
Qed.
