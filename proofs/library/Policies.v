(* LRU, FIFO, MARK-FAR and LLRU as machines.  A state is a list of (page, note), what came last first:
   LRU and FIFO note nothing, MARK-FAR marks, LLRU the rounds since the last request.
   Each commutes with renamings inside layers, so that the checker may rename. *)
From Coq Require Import List Arith Bool Lia PArith.
From LP.library Require Import Model Machine Renamed.
Import ListNotations.

Definition state := list (nat * nat).

Definition has (p : nat) (s : state) : bool := existsb (fun e => fst e =? p) s.
Definition drop (p : nat) (s : state) : state := filter (fun e => negb (fst e =? p)) s.
Definition note (g : nat -> nat) (s : state) : state := map (fun e => (fst e, g (snd e))) s.

Section Policies.
Variables l n k : nat.

(* drop the page whose key (of its layer and note) is largest; among equals the one that stands last *)
Definition worst (key : nat -> nat -> nat) (e : nat * nat) (r : state) : nat * nat :=
  fold_left (fun a b => if key (layer n (fst a)) (snd a) <=? key (layer n (fst b)) (snd b) then b else a) r e.
Definition drop_worst (key : nat -> nat -> nat) (s : state) : state :=
  match s with [] => [] | e :: r => drop (fst (worst key e r)) s end.

Definition lru_step (j : nat) (s : state) (p : nat) : state * nat :=
  if has p s then ((p, 0) :: drop p s, 0) else ((p, 0) :: firstn (k - 1) s, 1).

Definition fifo_step (j : nat) (s : state) (p : nat) : state * nat :=
  if has p s then (s, 0) else ((p, 0) :: firstn (k - 1) s, 1).

(* layers from the one being served, j, forward to layer i; `same` for j itself *)
Definition ahead (same j i : nat) : nat := let d := (i + l - j) mod l in if d =? 0 then same else d.

(* note 1: requested in this phase.  The victim is the unmarked page whose layer comes last; when all are marked, a phase ends *)
Definition mark_far_step (j : nat) (s : state) (p : nat) : state * nat :=
  if has p s then ((p, 1) :: drop p s, 0)
  else if length s <? k then ((p, 1) :: s, 1)
  else let s' := if forallb (fun e => snd e =? 1) s then note (fun _ => 0) s else s in
    ((p, 1) :: drop_worst (fun i m => if m =? 1 then 0 else ahead l j i) s', 1).

(* Notes of LLRU count rounds, 1 for the round of the last request; differences beyond `gap` are cut to it. *)
Fixpoint cut (gap before at_ : nat) (s : state) : state :=
  match s with
  | [] => []
  | (p, x) :: r => let y := at_ + Nat.min gap (x - before) in (p, y) :: cut gap x y r
  end.
(* the key of a page of layer i: R, then D *)
Definition llru_key (visit far : bool) (j i x : nat) : nat :=
  (if visit && (j <? i) then x - 1 else x) * (l + 1) + ahead (if far then l else 0) j i.
Definition llru_step (visit far : bool) (j : nat) (s : state) (p : nat) : state * nat :=
  let s' := if j =? 0 then note S s else s in
  let gap := if visit then 2 else 1 in
  if has p s then ((p, 1) :: cut gap 1 1 (drop p s'), 0)
  else if length s <? k then ((p, 1) :: cut gap 1 1 s', 1)
  else ((p, 1) :: cut gap 1 1 (drop_worst (llru_key visit far j) s'), 1).

Inductive policy := Lru | Fifo | MarkFar | Llru (visit far : bool).
Definition policy_step (a : policy) : nat -> state -> nat -> state * nat :=
  match a with Lru => lru_step | Fifo => fifo_step | MarkFar => mark_far_step | Llru v f => llru_step v f end.

(* misses on a history (newest first) from an empty cache *)
Definition policy_cost (a : policy) (h : list nat) : nat := cost l state (policy_step a) 0 [] (rev h).

(* ---- renaming ---- *)
Definition act (f : nat -> nat) (s : state) : state := map (fun e => (f (fst e), snd e)) s.
Lemma act_act f g s : act g (act f s) = act (fun x => g (f x)) s.
Proof. unfold act. rewrite map_map. reflexivity. Qed.
Lemma act_length f s : length (act f s) = length s.
Proof. apply map_length. Qed.
Lemma act_note f g s : act f (note g s) = note g (act f s).
Proof. unfold act, note. rewrite !map_map. reflexivity. Qed.
Lemma act_cut f gap s : forall b a, act f (cut gap b a s) = cut gap b a (act f s).
Proof. induction s as [|[p x] s IH]; intros b a; simpl; auto. now rewrite IH. Qed.

Section Act.
Variable f : nat -> nat.
Hypothesis f_ok : inside n f.

Lemma eqb_f p q : (f q =? f p) = (q =? p).
Proof.
  destruct (Nat.eqb_spec q p) as [->|N]; [apply Nat.eqb_refl|]. apply Nat.eqb_neq. intros H. apply N, f_ok, H.
Qed.
Lemma has_act p s : has (f p) (act f s) = has p s.
Proof. induction s as [|[q x] s IH]; simpl; auto. now rewrite eqb_f, IH. Qed.
Lemma drop_act p s : drop (f p) (act f s) = act f (drop p s).
Proof.
  unfold drop. induction s as [|[q x] s IH]; simpl; auto. rewrite eqb_f. destruct (q =? p); simpl; now rewrite IH.
Qed.
Lemma worst_act key s : forall e, fst (worst key (f (fst e), snd e) (act f s)) = f (fst (worst key e s)).
Proof.
  unfold worst. induction s as [|b s IH]; intros e; [reflexivity|]. cbn [act map fold_left fst snd].
  rewrite !(proj2 f_ok). destruct (_ <=? _); apply IH.
Qed.
Lemma drop_worst_act key s : drop_worst key (act f s) = act f (drop_worst key s).
Proof.
  destruct s as [|e s]; auto. change (act f (e :: s)) with ((f (fst e), snd e) :: act f s).
  unfold drop_worst. rewrite worst_act. apply (drop_act _ (e :: s)).
Qed.
Lemma marked_act s : forallb (fun e : nat * nat => snd e =? 1) (act f s) = forallb (fun e => snd e =? 1) s.
Proof. induction s as [|[q x] s IH]; simpl; auto. now rewrite IH. Qed.
End Act.

Lemma policy_act a f j s p : inside n f ->
  policy_step a j (act f s) (f p) = (act f (fst (policy_step a j s p)), snd (policy_step a j s p)).
Proof.
  intros Hf. destruct a as [| | |visit far]; simpl.
  - unfold lru_step. rewrite has_act, drop_act by auto. destruct (has p s); simpl; auto.
    unfold act at 1. rewrite firstn_map. reflexivity.
  - unfold fifo_step. rewrite has_act by auto. destruct (has p s); simpl; auto.
    unfold act at 1. rewrite firstn_map. reflexivity.
  - unfold mark_far_step. rewrite has_act, drop_act, act_length, marked_act by auto.
    destruct (has p s); auto. destruct (length s <? k); auto. cbn [fst snd act map]. f_equal; auto. f_equal.
    destruct (forallb _ s); [rewrite <- act_note|]; apply drop_worst_act; auto.
  - unfold llru_step. rewrite has_act, act_length by auto.
    assert (E : (if j =? 0 then note S (act f s) else act f s) = act f (if j =? 0 then note S s else s))
      by (destruct (j =? 0); [now rewrite act_note|reflexivity]).
    rewrite E. set (s' := if j =? 0 then note S s else s).
    destruct (has p s); [|destruct (length s <? k)]; cbn [fst snd]; f_equal.
    + rewrite drop_act, <- act_cut by auto. reflexivity.
    + rewrite <- act_cut. reflexivity.
    + rewrite drop_worst_act, <- act_cut by auto. reflexivity.
Qed.

(* ---- what the checker needs beside: equality, a hash, and how to tidy up ---- *)
Fixpoint state_eqb (a b : state) : bool :=
  match a, b with
  | [], [] => true
  | (p, x) :: a', (q, y) :: b' => (p =? q) && (x =? y) && state_eqb a' b'
  | _, _ => false
  end.
Lemma state_eqb_ok a : forall b, state_eqb a b = true -> a = b.
Proof.
  induction a as [|[p x] a IH]; intros [|[q y] b]; simpl; intros H; auto; try discriminate.
  rewrite !andb_true_iff in H. destruct H as [[H1 H2] H3]. apply Nat.eqb_eq in H1, H2. subst. f_equal; auto.
Qed.
Definition code_state (s : state) : positive :=
  fold_left (fun a e => (Pos.of_succ_nat (fst e) + 32 * (Pos.of_succ_nat (snd e) + 32 * a))%positive) s 1%positive.

(* swaps that give the first page of each layer in a list the layer's first number, and so on *)
Fixpoint tidy (used : list nat) (done : list (nat * nat)) (ps : list nat) : list (nat * nat) :=
  match ps with
  | [] => done
  | x :: r => let p := rename done x in let j := layer n p in let q := j * n + count_occ Nat.eq_dec used j in
      tidy (j :: used) (if p =? q then done else done ++ [(p, q)]) r
  end.
Definition tidy_state (s : state) : list (nat * nat) := tidy [] [] (map fst s).
Definition tidy_cache (s : state) (c : cache) : list (nat * nat) :=
  tidy [] [] (map fst s ++ filter (fun p => negb (has p s)) c).
End Policies.
