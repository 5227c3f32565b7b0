(* The optimum's work function as levels.  Each page has a level from 0 to k; the value at a set S of pages, less the least
   value, is |S| - rank S, where rank counts the members of S level by level, at most j from the levels 1..j.
   That new levels follow from old ones is not derived here: `step_ok` checks it by the definition, for all sets. *)
From Coq Require Import List Arith Bool Lia Permutation.
From LP.library Require Import Model Laziness Checker Renamed.
Import ListNotations.

(* ---- renamings can be undone ---- *)
Lemma swap_swap a b x : swap a b (swap a b x) = x.
Proof.
  unfold swap. destruct (Nat.eqb_spec x a) as [->|N].
  - destruct (Nat.eqb_spec b a) as [->|]; auto. now rewrite Nat.eqb_refl.
  - destruct (Nat.eqb_spec x b) as [->|N']; [now rewrite Nat.eqb_refl|].
    now rewrite (proj2 (Nat.eqb_neq x a) N), (proj2 (Nat.eqb_neq x b) N').
Qed.
Lemma rename_app s t x : rename (s ++ t) x = rename t (rename s x).
Proof. revert x. induction s as [|[a b] s IH]; simpl; auto. Qed.
Lemma rename_back s : forall x, rename (rev s) (rename s x) = x.
Proof.
  induction s as [|[a b] s IH]; intros x; simpl; auto. rewrite rename_app, IH. simpl. apply swap_swap.
Qed.
Lemma rename_forth s x : rename s (rename (rev s) x) = x.
Proof. rewrite <- (rev_involutive s) at 1. apply rename_back. Qed.
Lemma fair_rev n s : fair n s = true -> fair n (rev s) = true.
Proof.
  unfold fair. rewrite !forallb_forall. intros H ab Hab. apply H. now apply in_rev.
Qed.

(* ---- all subsets of a list ---- *)
Fixpoint sublists (xs : list nat) : list (list nat) :=
  match xs with [] => [[]] | x :: r => let s := sublists r in map (cons x) s ++ s end.
Lemma filter_sublists f xs : In (filter f xs) (sublists xs).
Proof.
  induction xs as [|x xs IH]; simpl; auto. apply in_or_app. destruct (f x); [left; apply in_map|right]; auto.
Qed.
(* a set of places, in ascending order *)
Lemma as_sublist N S : NoDup S -> (forall x, In x S -> x < N) ->
  exists S0, In S0 (sublists (seq 0 N)) /\ same S S0.
Proof.
  intros HS HN. exists (filter (fun x => mem x S) (seq 0 N)). split; [apply filter_sublists|].
  split; auto. split; [apply NoDup_filter, seq_NoDup|]. intros x. rewrite filter_In, in_seq, mem_In. split; [|tauto].
  intros H. apply HN in H as H'. repeat split; auto; lia.
Qed.
Lemma same_Permutation a b : same a b -> Permutation a b.
Proof. intros [H1 [H2 H3]]. apply NoDup_Permutation; auto. Qed.

Section Levels.
Variable k : nat.

Definition level (lev : list nat) (p : nat) : nat := nth p lev 0.
(* members by level: at most j from the levels 1..j *)
Fixpoint rank (j : nat) (ls : list nat) : nat :=
  match j with 0 => 0 | S i => Nat.min (S i) (rank i ls + count_occ Nat.eq_dec ls (S i)) end.
Definition work (lev : list nat) (c : list nat) : nat := length c - rank k (map (level lev) c).

Lemma rank_Permutation j a b : Permutation a b -> rank j a = rank j b.
Proof.
  intros H. induction j as [|j IH]; cbn [rank]; auto. rewrite IH.
  replace (count_occ Nat.eq_dec a (S j)) with (count_occ Nat.eq_dec b (S j)); auto.
  symmetry. now apply (Permutation_count_occ Nat.eq_dec).
Qed.
Lemma work_same lev a b : same a b -> work lev a = work lev b.
Proof.
  intros H. apply same_Permutation in H. unfold work. rewrite (Permutation_length H).
  rewrite (rank_Permutation k _ _ (Permutation_map (level lev) H)). reflexivity.
Qed.
Lemma work_le lev c : work lev c <= length c.
Proof. unfold work. lia. Qed.

(* levels after a renaming *)
Definition relabel (N : nat) (s : list (nat * nat)) (lev : list nat) : list nat :=
  map (fun i => level lev (rename (rev s) i)) (seq 0 N).
Lemma relabel_level N s lev p : rename s p < N -> level (relabel N s lev) (rename s p) = level lev p.
Proof.
  intros H. unfold level, relabel.
  assert (E : forall g m i, i < m -> nth i (map g (seq 0 m)) 0 = g i).
  { intros g m i Hi. rewrite (nth_indep _ 0 (g 0)) by (now rewrite map_length, seq_length).
    rewrite map_nth, seq_nth by auto. reflexivity. }
  rewrite E by auto. now rewrite rename_back.
Qed.
Lemma relabel_work N s lev c : (forall x, In x c -> rename s x < N) ->
  work (relabel N s lev) (map (rename s) c) = work lev c.
Proof.
  intros H. unfold work. rewrite map_length, map_map. do 2 f_equal. apply map_ext_in. intros x Hx.
  apply relabel_level. auto.
Qed.

(* ---- one request, checked by the definition of the work function ---- *)
(* no schedule does better than the levels say *)
Definition below_ok (N : nat) (lev : list nat) (p rise : nat) (new : list nat) : bool :=
  forallb (fun c => (k <? length c) ||
    forallb (fun oc : nat * cache => rise + work new (snd oc) <=? fst oc + work lev c) (lazy_answers k c p))
    (sublists (seq 0 N)).
Lemma below_step N lev p rise new c o c' : below_ok N lev p rise new = true ->
  is_cache k c -> (forall x, In x c -> x < N) -> In (o, c') (lazy_answers k c p) ->
  rise + work new c' <= o + work lev c.
Proof.
  intros H [Hc Hk] HN Ha. destruct (as_sublist N c Hc HN) as [c0 [H0 Hs]].
  unfold below_ok in H. rewrite forallb_forall in H. specialize (H _ H0).
  assert (Hl : length c = length c0) by (apply Permutation_length, same_Permutation; auto).
  apply orb_true_iff in H. destruct H as [H|H]; [apply Nat.ltb_lt in H; lia|].
  rewrite forallb_forall in H.
  destruct (same_answers 0 k unit tt (fun _ _ _ => (tt, 0)) (fun _ => BinNums.xH) c c0 p o c' Hs Ha) as [d [Hd Hsd]].
  specialize (H _ Hd). simpl in H. apply Nat.leb_le in H.
  rewrite (work_same new c' d Hsd), (work_same lev c c0 Hs). auto.
Qed.

(* and there are schedules that do as well, ending with any k pages *)
Definition above_ok (N : nat) (lev : list nat) (p rise : nat) (new : list nat) : bool :=
  forallb (fun c => negb (length c =? k) ||
    if mem p c then work lev c <=? rise + work new c
    else existsb (fun x => work lev (p :: remove Nat.eq_dec x c) + 1 <=? rise + work new c) c)
    (sublists (seq 0 N)).
Lemma above_step N lev p rise new c : above_ok N lev p rise new = true ->
  NoDup c -> length c = k -> (forall x, In x c -> x < N) ->
  (In p c /\ work lev c <= rise + work new c) \/
  (~ In p c /\ exists x, In x c /\ work lev (p :: remove Nat.eq_dec x c) + 1 <= rise + work new c).
Proof.
  intros H Hc Hk HN. destruct (as_sublist N c Hc HN) as [c0 [H0 Hs]].
  unfold above_ok in H. rewrite forallb_forall in H. specialize (H _ H0).
  assert (Hl : length c = length c0) by (apply Permutation_length, same_Permutation; auto).
  rewrite <- Hl, Hk, Nat.eqb_refl in H. simpl in H.
  rewrite (work_same new c c0 Hs). destruct (mem p c0) eqn:E.
  - left. apply Nat.leb_le in H. rewrite (work_same lev c c0 Hs). split; auto. apply Hs. now apply mem_In.
  - right. apply existsb_exists in H. destruct H as [x [Hx H]]. apply Nat.leb_le in H.
    assert (Hn : ~ In p c) by (intros Hp; apply Hs, mem_In in Hp; congruence).
    split; auto. exists x. split; [now apply Hs|].
    rewrite (work_same lev (p :: remove Nat.eq_dec x c) (p :: remove Nat.eq_dec x c0)); auto.
    assert (Hr : forall y, In y (remove Nat.eq_dec x c) <-> In y (remove Nat.eq_dec x c0)).
    { intros y. split; intros Hy; apply in_remove in Hy; destruct Hy; apply in_in_remove; auto; now apply Hs. }
    destruct Hs as [Hs1 [Hs2 Hs3]]. split; [|split].
    + constructor; [|now apply NoDup_remove_eq]. intros H1. apply in_remove in H1. tauto.
    + constructor; [|now apply NoDup_remove_eq]. intros H1. apply in_remove in H1. apply Hn, Hs3. tauto.
    + intros y. simpl. rewrite Hr. tauto.
Qed.
End Levels.
