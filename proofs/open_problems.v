(* Questions that are open as far as we know, as statements: each is the definition of a proposition, and nothing is claimed.
   What is known of one at some sizes follows it as a lemma.  `layered-paging problems` lists them with the best known bounds. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Policies Game Chance Events.
From LP Require Import deterministic_lower events_lower events_bypass mark_far randomized_exact.
Import ListNotations.
Open Scope nat_scope.

(* ---- best randomized policy ---- *)
(* the value where all pages but one fit is enough at every size *)
Definition randomized_value (l k : nat) : Q := (harmonic (k - l + 1) + q (l - 1) / q (k + 1))%Q.
Definition randomized_closed_form : Prop := forall l n k, 2 <= l -> l <= k -> k + 1 <= l * n ->
  exists kernel, randomized kernel l n k /\ expected_at_most l n k kernel (randomized_value l k).
Lemma randomized_closed_form_one_short l n k : 1 <= l -> 2 <= n -> k + 1 = l * n ->
  exists kernel, randomized kernel l n k /\ expected_at_most l n k kernel (randomized_value l k).
Proof. intros H1 H2 H3. exact (proj1 (randomized_exact l n k H1 H2 H3)). Qed.

(* where l divides k + 1 it is the value: a lower bound is proved (randomized_at_least) *)
Definition randomized_divides : Prop := forall l n w k, 2 <= l -> 2 <= w -> w <= n -> k + 1 = l * w ->
  best_randomized l n k (randomized_value l k).

(* layers help: less than the harmonic number of the slots *)
Definition randomized_below_harmonic : Prop := forall l n k, 2 <= l -> 2 <= n -> 2 <= k -> k + 1 <= l * n ->
  exists kernel r, randomized kernel l n k /\ expected_at_most l n k kernel r /\ (r < harmonic k)%Q.

(* the best ratio is a rational number, and some policy has it *)
Definition randomized_attained : Prop := forall l n k, 2 <= l -> 2 <= n -> 1 <= k -> k + 1 <= l * n ->
  exists r, best_randomized l n k r.

(* ---- best deterministic policy ---- *)
Definition best_deterministic (l n k P Q : nat) : Prop := some_policy l n k P Q /\ every_policy l n k P Q.

(* from k = l + 2 on the lower bound is attained *)
Definition tightness : Prop := forall l n k, 2 <= l -> l + 2 <= k -> k + 1 <= l * n -> best_deterministic l n k (k - l + 1) 1.
Lemma tightness_lower l n k : 1 <= l -> l <= k -> k + 1 <= l * n -> every_policy l n k (k - l + 1) 1.
Proof.
  intros H1 H2 H3 alg Ha P Q H. rewrite Nat.mul_1_r. exact (deterministic_lower l n k H1 H2 H3 alg Ha P Q H).
Qed.

(* at k = l + 1 it is not: 7/3, from three layers and eight pages on *)
Definition seven_thirds : Prop := forall l n, 3 <= l -> 2 <= n -> 8 <= l * n -> best_deterministic l n (l + 1) 7 3.

(* fewer slots than layers: two slots; and one fewer than layers, from four layers on *)
Definition few_slots : Prop := forall l n, 3 <= l -> 2 <= n ->
  best_deterministic l n 2 l (l - 1) /\ (4 <= l -> best_deterministic l n (l - 1) 2 1).

(* ---- LLRU, rounds by visit, same layer far ---- *)
Definition llru_double : Prop := forall l n k, l < k -> k <= 2 * l - 1 -> 2 <= n ->
  ratio l n k (policy_cost l n k (Llru true true)) (2 * (k - l) + 1) 1.
Definition llru_two_layers : Prop := forall n k, 7 <= k -> k + 1 <= 2 * n ->
  ratio 2 n k (policy_cost 2 n k (Llru true true)) (k + 1) 1.

(* ---- FIFO ---- *)
(* never better than LRU where that is not known: between one slot a layer and two *)
Definition fifo_double : Prop := forall l n k, l < k -> k < 2 * l - 1 -> 2 <= n ->
  forall P Q, at_most l n k (policy_cost l n k Fifo) P Q -> Q * (2 * (k - l) + 1) <= P.

(* ---- events of m pages ---- *)
(* LRU: pages in the order of their last events, newest first; in an event the larger number first *)
Definition event_recency (l n : nat) (h : list (list nat)) : list nat :=
  fold_right (fun e r => filter (fun p => mem p e) (rev (seq 0 (l * n))) ++ filter (fun p => negb (mem p e)) r) [] h.
Definition event_lru (l n k : nat) (h : list (list nat)) : cache := firstn k (event_recency l n h).

Definition events_at_most (l n k m : nat) (alg : list (list nat) -> cache) (P Q : nat) : Prop := exists add,
  forall h x d, layered_events l n m 0 (rev h) -> event_runs k [] (rev h) x d -> Q * event_paid alg h <= P * x + add.
Definition lru_events : Prop := forall l n k m, 1 <= l -> 2 <= m -> m < n -> l * m < k -> k + 1 <= l * n ->
  let r := Nat.min (k - l * (m - 1)) (2 * (k - l * m) + 1) in
  events_at_most l n k m (event_lru l n k) r 1 /\
  forall P Q, events_at_most l n k m (event_lru l n k) P Q -> Q * r <= P.

(* the lower bounds of all online algorithms are attained: forced, by two members an event or more; with bypass, by all events *)
Definition forced_events : Prop := forall l n k m, 1 <= l -> 2 <= m -> m < n -> l * m < k -> k + 1 <= l * n ->
  exists alg, online_events k m alg /\ events_at_most l n k m alg (k - l * m + 1) 1.
Definition bypass_events : Prop := forall l n k m, 1 <= l -> 1 <= m -> m < n -> l * m <= k -> k + 1 <= l * n ->
  exists alg : list (list nat) -> cache, (forall h, length (alg h) <= k) /\ exists add, forall h x d,
    layered_events l n m 0 (rev h) -> bypass_runs k [] (rev h) x d -> bypass_paid alg h <= (k - l * m + 2) * x + add.
