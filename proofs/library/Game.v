(* The game of the best deterministic ratio: positions, and a table of them.
   A position is a layer, the levels of all places, and the cache, as places; renaming inside layers changes nothing. *)
From Coq Require Import List Arith Bool Lia PArith FMapPositive.
From LP.library Require Import Model Laziness Checker Renamed Policies Levels.
Import ListNotations.

(* the best deterministic ratio: a policy has at most P / Q; no policy has less *)
From LP.library Require Import Online.
Definition some_policy (l n k P Q : nat) : Prop := exists alg, online alg k /\ at_most l n k (paid alg) P Q.
Definition every_policy (l n k P Q : nat) : Prop := forall alg, online alg k ->
  forall P' Q', at_most l n k (paid alg) P' Q' -> Q' * P <= P' * Q.

Lemma map_answers_all k f c p : (forall x y : nat, f x = f y :> nat -> x = y) ->
  lazy_answers k (map f c) (f p) = map (fun oc => (fst oc, map f (snd oc))) (lazy_answers k c p).
Proof.
  intros Hf. unfold lazy_answers. rewrite map_mem, map_length by auto. destruct (mem p c); auto.
  destruct (length c <? k); auto. rewrite !map_map. apply map_ext. intros x. simpl. now rewrite map_remove.
Qed.
Lemma answer_of_same k a b p o a' : same a b -> In (o, a') (lazy_answers k a p) ->
  exists b', In (o, b') (lazy_answers k b p) /\ same a' b'.
Proof. apply (same_answers 0 k unit tt (fun _ _ _ => (tt, 0)) (fun _ => xH)). Qed.
Lemma sorted_same a b : same a b -> same a (sort b).
Proof. apply (same_sort 0 unit tt (fun _ _ _ => (tt, 0)) (fun _ => xH)). Qed.
Lemma same_map f a b : (forall x y : nat, f x = f y :> nat -> x = y) -> same a b -> same (map f a) (map f b).
Proof.
  intros Hf [H1 [H2 H3]]. split; [now apply map_NoDup|]. split; [now apply map_NoDup|].
  intros x. rewrite !in_map_iff. split; intros [y [<- Hy]]; exists y; split; auto; now apply H3.
Qed.
Lemma answer_in k c p o c' x : In (o, c') (lazy_answers k c p) -> In x c' -> x = p \/ In x c.
Proof.
  unfold lazy_answers. destruct (mem p c); [intros [[= <- <-]|[]]; auto|].
  destruct (length c <? k); [intros [[= <- <-]|[]]; simpl; intuition|].
  rewrite in_map_iff. intros [y [[= <- <-] Hy]]. simpl. intros [H|H]; [auto|]. apply in_remove in H. tauto.
Qed.
Lemma answer_cache k c p o c' : is_cache k c -> In (o, c') (lazy_answers k c p) -> is_cache k c'.
Proof.
  intros [H1 H2] H. split; [apply (answers_cache 0 k unit tt (fun _ _ _ => (tt, 0)) (fun _ => xH) c p o c' H1 H)|].
  unfold lazy_answers in H. destruct (mem p c); [destruct H as [[= <- <-]|[]]; auto|].
  destruct (length c <? k) eqn:E; [destruct H as [[= <- <-]|[]]; apply Nat.ltb_lt in E; simpl; lia|].
  apply in_map_iff in H. destruct H as [y [[= <- <-] Hy]]. pose proof (length_remove y c H1 Hy). simpl. lia.
Qed.

Section Table.
Variables l n k : nat.
Definition places := l * n.

(* the levels after a request, and the rise of the optimum; `step_ok` does not believe it *)
Definition advance (lev : list nat) (p : nat) : nat * list nat :=
  let a := level lev p in
  let new := if a =? 0 then map (fun x => if x =? k then k - 1 else x) lev
             else map (fun x => if a <=? x then x - 1 else x) lev in
  (if a =? 0 then 1 else 0, map (fun i => if i =? p then k else level new i) (seq 0 places)).

(* swaps that put the places of each layer in the order of levels, absent before present *)
Definition item (lev : list nat) (c : cache) (p : nat) : nat := 2 * level lev p + if mem p c then 1 else 0.
Fixpoint put (key : nat -> nat) (x : nat) (r : list nat) : list nat :=
  match r with [] => [x] | y :: r' => if key x <=? key y then x :: r else y :: put key x r' end.
Definition tidy_position (lev : list nat) (c : cache) : list (nat * nat) :=
  let items := map (item lev c) (seq 0 places) in
  tidy n [] [] (fold_right (put (fun p => nth p items 0)) [] (seq 0 places)).

Definition code_position (j : nat) (lev : list nat) (c : cache) : positive :=
  (Pos.of_succ_nat j + 32 * fold_left (fun a x => Pos.of_succ_nat x + 32 * a) lev (mask c))%positive.

Section Rows.
Variable D : Type.
Definition prow : Type := nat * list nat * cache * D.
Definition build_rows (rows : list prow) : PositiveMap.t prow :=
  fold_right (fun (r : prow) (t : PositiveMap.t prow) => let '(j, lev, c, d) := r in PositiveMap.add (code_position j lev c) r t)
    (PositiveMap.empty prow) rows.
Definition find_row (t : PositiveMap.t prow) (j : nat) (lev : list nat) (c : cache) : option D :=
  match PositiveMap.find (code_position j lev c) t with
  | Some (i, lev', c', d) => if (i =? j) && list_eqb lev' lev && list_eqb c' c then Some d else None
  | None => None
  end.
Lemma find_row_in rows j lev c d : find_row (build_rows rows) j lev c = Some d -> In (j, lev, c, d) rows.
Proof.
  unfold find_row. destruct (PositiveMap.find _ _) as [[[[i lev'] c'] d']|] eqn:E; [|discriminate].
  destruct ((i =? j) && list_eqb lev' lev && list_eqb c' c) eqn:E2; [|discriminate]. intros [= ->].
  rewrite !andb_true_iff in E2. destruct E2 as [[E2 E3] E4]. apply Nat.eqb_eq in E2. apply list_eqb_ok in E3, E4. subst.
  revert E. generalize (code_position j lev c) as key. induction rows as [|[[[i lev'] c'] d'] rows IH]; simpl; intros key E.
  - rewrite PositiveMap.gempty in E. discriminate.
  - destruct (Pos.eq_dec key (code_position i lev' c')) as [->|N].
    + rewrite PositiveMap.gss in E. left. congruence.
    + rewrite PositiveMap.gso in E by auto. right. eauto.
Qed.
End Rows.

(* requests at levels, each checked by the definition once *)
Definition known := PositiveMap.t (list nat * nat).
Definition code_request (lev : list nat) (p : nat) : positive := code_position p lev [].
Definition build_known (rs : list (list nat * nat)) : known :=
  fold_right (fun r t => PositiveMap.add (code_request (fst r) (snd r)) r t) (PositiveMap.empty _) rs.
Definition is_known (t : known) (lev : list nat) (p : nat) : bool :=
  match PositiveMap.find (code_request lev p) t with
  | Some (lev', p') => list_eqb lev' lev && (p' =? p)
  | None => false
  end.
Lemma is_known_in rs lev p : is_known (build_known rs) lev p = true -> In (lev, p) rs.
Proof.
  unfold is_known. destruct (PositiveMap.find _ _) as [[lev' p']|] eqn:E; [|discriminate].
  rewrite andb_true_iff. intros [E2 E3]. apply Nat.eqb_eq in E3. apply list_eqb_ok in E2. subst.
  revert E. generalize (code_request lev p) as key. induction rs as [|[lev' p'] rs IH]; simpl; intros key E.
  - rewrite PositiveMap.gempty in E. discriminate.
  - destruct (Pos.eq_dec key (code_request lev' p')) as [->|N].
    + rewrite PositiveMap.gss in E. left. congruence.
    + rewrite PositiveMap.gso in E by auto. right. eauto.
Qed.
End Table.
