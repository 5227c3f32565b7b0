(* One slot short of all pages, k + 1 = l n, n >= 2: the best randomized ratio is H_(k-l+1) + (l-1)/(k+1), exactly. *)
From Coq Require Import List Arith Bool Lia QArith.
From LP.library Require Import Model Online Chance.
From LP Require Import randomized_one_short randomized_at_least.
Import ListNotations.
Local Open Scope Q_scope.

Theorem randomized_exact : forall l n k, (1 <= l)%nat -> (2 <= n)%nat -> (k + 1 = l * n)%nat ->
  best_randomized l n k (harmonic (k - l + 1) + q (l - 1) / q (k + 1)).
Proof.
  intros l n k Hl Hn Hk. split.
  - destruct (randomized_one_short l n k Hl Hn Hk) as [kernel [K1 K2]]. exists kernel. split; auto. exists (q k). exact K2.
  - intros kernel Hr s Hs Ha. apply (randomized_at_least l n n k Hl Hn (le_n n) Hk kernel Hr s Hs Ha).
Qed.
