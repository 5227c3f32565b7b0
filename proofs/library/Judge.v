(* One function from numbers to statements: what it answers is true.  The format is that of docs/reference. *)
From Coq Require Import List Arith Bool Lia ZArith.
From LP.library Require Import Model Online Renamed Policies Exact Levels Game GameUpper GameLower.
Import ListNotations.

Inductive statement :=
| Exactly (a : policy) (l n k h P Q add : nat)
| Unbounded (a : policy) (l n k h : nat)
| AtLeast (a : policy) (l n k h P Q : nat)
| SomePolicy (l n k P Q : nat)
| EveryPolicy (l n k P Q : nat).
Definition meaning (s : statement) : Prop :=
  match s with
  | Exactly a l n k h P Q add => exact l n h (policy_cost l n k a) P Q add
  | Unbounded a l n k h => unbounded l n h (policy_cost l n k a)
  | AtLeast a l n k h P Q => at_least l n h (policy_cost l n k a) P Q
  | SomePolicy l n k P Q => some_policy l n k P Q
  | EveryPolicy l n k P Q => every_policy l n k P Q
  end.

(* ---- readers: what stands next, and the rest ---- *)
Definition reader (A : Type) := list Z -> option (A * list Z).
Definition bind {A B} (r : reader A) (f : A -> reader B) : reader B :=
  fun d => match r d with Some (a, d') => f a d' | None => None end.
Definition give {A} (a : A) : reader A := fun d => Some (a, d).
Notation "x <- r ; f" := (bind r (fun x => f)) (at level 60, r at next level, right associativity).

Definition integer : reader Z := fun d => match d with [] => None | z :: r => Some (z, r) end.
Definition natural : reader nat := fun d => match d with z :: r => if (z <? 0)%Z then None else Some (Z.to_nat z, r) | [] => None end.
Fixpoint repeated {A} (item : reader A) (count : nat) : reader (list A) :=
  match count with 0 => give [] | S c => x <- item; r <- repeated item c; give (x :: r) end.
Definition many {A} (item : reader A) : reader (list A) := count <- natural; repeated item count.

Definition pages := many natural.
Definition noted : reader (nat * nat) := p <- natural; x <- natural; give (p, x).
Definition entry : reader (cache * Z) := c <- pages; z <- integer; give (c, z).
Definition a_row : reader (row state) := j <- natural; s <- many noted; es <- many entry; give (j, s, es).
Definition a_policy : reader policy := fun d =>
  match natural d with
  | Some (0, r) => Some (Lru, r) | Some (1, r) => Some (Fifo, r) | Some (2, r) => Some (MarkFar, r)
  | Some (3, r) => Some (Llru true true, r) | Some (4, r) => Some (Llru true false, r)
  | Some (5, r) => Some (Llru false true, r) | Some (6, r) => Some (Llru false false, r)
  | _ => None
  end.
Definition a_position {D} (d : reader D) : reader (prow D) :=
  j <- natural; lev <- pages; c <- pages; x <- d; give (j, lev, c, x).
Definition a_request : reader (list nat * nat) := lev <- pages; p <- natural; give (lev, p).
Definition a_choice : reader choice := vs <- many noted; z <- integer; give (vs, z).
Definition a_move : reader move := p <- natural; z <- integer; r <- natural; give (p, z, r).

Definition when (b : bool) (s : statement) : reader statement := fun d => if b then Some (s, d) else None.

Definition exactly : reader statement :=
  a <- a_policy; l <- natural; n <- natural; k <- natural; h <- natural; P <- natural; Q <- natural; add <- natural;
  rows <- many a_row; u <- pages; w <- pages; cu <- many pages; cw <- many pages; A <- natural; B <- natural;
  s <- pages; cs <- many pages;
  when (verify a l n k h P Q add rows u w cu cw A B s cs) (Exactly a l n k h P Q add).
Definition unbounded_ : reader statement :=
  a <- a_policy; l <- natural; n <- natural; k <- natural; h <- natural;
  u <- pages; w <- pages; cu <- many pages; cw <- many pages; A <- natural;
  when (verify_unbounded a l n k h u w cu cw A) (Unbounded a l n k h).
Definition at_least_ : reader statement :=
  a <- a_policy; l <- natural; n <- natural; k <- natural; h <- natural; P <- natural; Q <- natural;
  u <- pages; w <- pages; cu <- many pages; cw <- many pages; A <- natural; B <- natural;
  when (verify_lower a l n k h P Q u w cu cw A B) (AtLeast a l n k h P Q).
Definition some_policy_ : reader statement :=
  l <- natural; n <- natural; k <- natural; P <- natural; Q <- natural; asked <- many a_request;
  rows <- many (a_position a_choice); add <- natural;
  when (check_upper l n k (Z.of_nat P) (Z.of_nat Q) rows asked add) (SomePolicy l n k P Q).
Definition every_policy_ : reader statement :=
  l <- natural; n <- natural; k <- natural; P <- natural; Q <- natural; asked <- many a_request;
  rows <- many (a_position a_move);
  when (check_lower l n k (Z.of_nat P) (Z.of_nat Q) rows asked) (EveryPolicy l n k P Q).

(* the first number says which; nothing may be left over *)
Definition judge (d : list Z) : option statement :=
  match (m <- natural; match m with 1 => exactly | 2 => unbounded_ | 3 => at_least_ | 4 => some_policy_ | 5 => every_policy_
                       | _ => fun _ => None end) d with
  | Some (s, []) => Some s
  | _ => None
  end.

Lemma bind_some {A B} (r : reader A) (f : A -> reader B) d x : bind r f d = Some x ->
  exists a d', r d = Some (a, d') /\ f a d' = Some x.
Proof. unfold bind. destruct (r d) as [[a d']|]; [eauto|discriminate]. Qed.
Lemma when_some b s d x : when b s d = Some x -> b = true /\ fst x = s.
Proof. unfold when. destruct b; [|discriminate]. intros [= <-]. auto. Qed.

Ltac read H := repeat (let x := fresh in let d := fresh in let E := fresh in
  apply bind_some in H; destruct H as [x [d [E H]]]; clear E).

Theorem judge_sound d s : judge d = Some s -> meaning s.
Proof.
  unfold judge. destruct (bind _ _ d) as [[s' [|]]|] eqn:E; try discriminate. intros [= ->].
  apply bind_some in E. destruct E as [m [d' [_ E]]].
  destruct m as [|[|[|[|[|[|]]]]]]; try discriminate; [unfold exactly in E|unfold unbounded_ in E|unfold at_least_ in E|
    unfold some_policy_ in E|unfold every_policy_ in E]; read E; apply when_some in E; destruct E as [E Hs]; cbn [fst] in Hs; subst s; cbn [meaning].
  - eapply verify_sound; eauto.
  - eapply verify_unbounded_sound; eauto.
  - eapply verify_lower_sound; eauto.
  - eapply check_upper_sound; eauto.
  - eapply check_lower_sound; eauto.
Qed.
