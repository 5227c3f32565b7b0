(* No randomized policy has a ratio below H_(k-l+1): for all l, n, k with l <= k and k + 1 <= l n.
   The adversary is oblivious: it knows the probabilities, not the dice.  The policy may prefetch, and need not be lazy. *)
From Coq Require Import List Arith Bool Lia QArith Lqa.
From LP.library Require Import Model Online Layers Cyclic Chance Oblivious.
Import ListNotations.
Local Open Scope Q_scope.

(* it asks for k + 1 pages, one at least in each layer *)
Theorem randomized_harmonic : forall l n k, (1 <= l)%nat -> (l <= k)%nat -> (k + 1 <= l * n)%nat ->
  forall kernel, randomized kernel l n k -> forall r, 0 <= r -> expected_at_most l n k kernel r -> harmonic (k - l + 1) <= r.
Proof.
  intros l n k H1 H2 H3 kernel Hk. assert (Hn : (1 <= n)%nat) by (destruct n; lia).
  destruct (extend (cycle l n 1) (l * n) (S k)) as [U [U1 [U2 [U3 U4]]]]; auto.
  - apply cycle_NoDup; auto.
  - intros p Hp. apply In_nth with (d := 0%nat) in Hp. destruct Hp as [i [I1 <-]]. apply (cycle_fits l n H1 1 Hn i I1).
  - rewrite cycle_length. lia.
  - lia.
  - assert (HL : forall j, (j < l)%nat -> exists d, In d U /\ layer n d = j).
    { intros i Hi. exists (i mod l * n + i / l)%nat. destruct (cycle_page l n H1 1 i Hn ltac:(lia)) as [_ [E _]].
      split; [|rewrite E; apply Nat.mod_small; auto]. apply U3. unfold cycle. apply in_map_iff. exists i.
      split; auto. apply in_seq. lia. }
    apply (at_least l n k H1 ltac:(lia) U U1 U2 U4 HL kernel Hk).
    + replace (k - l + 1)%nat with (S (k - l)) by lia. cbn [harmonic]. pose proof (harmonic_0 (k - l)).
      assert (0 < / q (S (k - l))) by (apply Qinv_lt_0_compat, q_pos; lia). lra.
    + intros eps e0 e1. apply (phase_harmonic l n k H1 ltac:(lia) U U1 U2 U4 HL kernel Hk eps); auto.
Qed.
