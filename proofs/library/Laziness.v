(* Laziness: a schedule that loads only what is requested, and evicts only when it must, pays no more than any other. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model.
Import ListNotations.

Section Laziness.
Variable k : nat.

(* A lazy schedule: loads the page requested and nothing else, evicts at most one page, only when full *)
Definition lazy_answers (c : cache) (p : nat) : list (nat * cache) :=
  if mem p c then [(0, c)]
  else if length c <? k then [(1, p :: c)]
  else map (fun x => (1, p :: remove Nat.eq_dec x c)) c.

Inductive lazy_schedule : cache -> list nat -> nat -> Prop :=
| lazy_nil c : lazy_schedule c [] 0
| lazy_step c p s o c' m : In (o, c') (lazy_answers c p) -> lazy_schedule c' s m ->
    lazy_schedule c (p :: s) (o + m).

(* lazy schedules lose nothing: the classical lemma *)
Lemma laziness s : forall C L m, is_cache k L -> NoDup C ->
  schedule k C s m -> exists m', lazy_schedule L s m' /\ m' <= m + length (minus C L).
Proof.
  induction s as [|p s IH]; intros C L m HL HC H.
  - exists 0. split; [constructor | lia].
  - inversion H as [|c C' p' s' m1 HC' Hp Hs]; subst.
    assert (Htr : length (minus C' L) <= length (minus C' C) + length (minus C L))
      by (apply minus_trans; apply HC').
    unfold is_cache in HL. destruct HL as [HLn HLl]. destruct HC' as [HC'n HC'l].
    destruct (mem p L) eqn:Em.
    + apply mem_In in Em. destruct (IH C' L m1) as [m' [H1 H2]]; [split; auto|auto|auto|].
      exists m'. split; [|lia]. change m' with (0 + m'). apply lazy_step with L; auto.
      unfold lazy_answers. apply mem_In in Em. rewrite Em. now left.
    + assert (Hn : ~ In p L) by (rewrite <- mem_In; congruence).
      destruct (length L <? k) eqn:El.
      * apply Nat.ltb_lt in El.
        destruct (IH C' (p :: L) m1) as [m' [H1 H2]]; [split; [constructor; auto | simpl; lia]|auto|auto|].
        exists (1 + m'). split.
        -- apply lazy_step with (p :: L); auto. unfold lazy_answers. rewrite Em.
           replace (length L <? k) with true by (symmetry; now apply Nat.ltb_lt). now left.
        -- assert (S (length (minus C' (p :: L))) <= length (minus C' L))
             by (apply minus_shrinks with p; simpl; auto). lia.
      * apply Nat.ltb_ge in El.
        destruct (exists_victim L C' p) as [x [Hx1 Hx2]]; auto; [lia|].
        set (L' := p :: remove Nat.eq_dec x L).
        assert (HL'c : is_cache k L').
        { unfold L'. split; [constructor; [|now apply NoDup_remove_eq]|].
          - intros H3. apply in_remove in H3. tauto.
          - simpl. rewrite length_remove; auto. }
        destruct (IH C' L' m1) as [m' [H1 H2]]; auto.
        exists (1 + m'). split.
        -- apply lazy_step with L'; auto. unfold lazy_answers. rewrite Em.
           replace (length L <? k) with false by (symmetry; now apply Nat.ltb_ge).
           apply in_map_iff. exists x; auto.
        -- assert (S (length (minus C' L')) <= length (minus C' L)).
           { apply minus_shrinks with p; unfold L'; simpl; auto.
             intros y Hy1 Hy2. right. apply in_in_remove; auto. intros ->; tauto. }
           lia.
Qed.

Corollary lazy_optimal s m : schedule k [] s m -> exists m', lazy_schedule [] s m' /\ m' <= m.
Proof.
  intros H. destruct (laziness s [] [] m) as [m' [H1 H2]]; auto; [split; [constructor|simpl; lia]|constructor|].
  exists m'. split; auto. simpl in H2. lia.
Qed.

End Laziness.
