(* A checker of upper bounds on the best deterministic ratio: a policy as a table from positions and requests to victims.
   It carries the optimum's levels along; places are its own, and a renaming leads from the pages to them. *)
From Coq Require Import List Arith Bool Lia ZArith FMapPositive.
From LP.library Require Import Model Laziness Online Checker Renamed Policies Levels Game.
Import ListNotations.

Section GameUpper.
Variables l n k : nat.
Notation N := (places l n).
Variables P Q : Z.
(* for each request its victim, as places; the potential *)
Definition choice : Type := list (nat * nat) * Z.

Definition victim (vs : list (nat * nat)) (i : nat) : nat :=
  match find (fun iv => fst iv =? i) vs with Some (_, v) => v | None => 0 end.
(* the lazy answer of a cache to a request with a given victim *)
Definition answer (v : nat) (c : cache) (p : nat) : nat * cache :=
  if mem p c then (0, c) else if length c <? k then (1, p :: c) else (1, p :: remove Nat.eq_dec v c).

Definition request_ok_below (r : list nat * nat) : bool :=
  let (rise, new) := advance l n k (fst r) (snd r) in below_ok k N (fst r) (snd r) rise new.
Definition choice_ok (t : PositiveMap.t (prow choice)) (asked : known) (j : nat) (lev : list nat) (c : cache)
    (vs : list (nat * nat)) (here : Z) (i : nat) : bool :=
  let v := victim vs i in
  is_known asked lev i && (mem i c || (length c <? k) || mem v c) &&
  let (rise, new) := advance l n k lev i in
  let (o, c') := answer v c i in
  let s := tidy_position l n new c' in
  fair n s &&
  match find_row choice t (S j mod l) (relabel N s new) (sort (map (rename s) c')) with
  | Some (_, there) => (Q * Z.of_nat o + there <=? P * Z.of_nat rise + here)%Z
  | None => false
  end.
Definition choices_ok (t : PositiveMap.t (prow choice)) (asked : known) (row : prow choice) : bool :=
  let '(j, lev, c, (vs, here)) := row in
  (0 <=? here)%Z && forallb (choice_ok t asked j lev c vs here) (seq (j * n) n).
Definition check_upper (rows : list (prow choice)) (asked : list (list nat * nat)) (add : nat) : bool :=
  let t := build_rows choice rows in
  (0 <? l) && (0 <? n) && (0 <? k) && (0 <=? P)%Z && (0 <=? Q)%Z && forallb request_ok_below asked &&
  forallb (choices_ok t (build_known asked)) rows &&
  match find_row choice t 0 (repeat 0 N) [] with Some (_, z) => (z <=? Z.of_nat add)%Z | None => false end.

(* ---- the policy ---- *)
Definition table_state : Type := (nat -> nat) * list nat * cache * cache.   (* page -> place, levels, places, pages *)
Definition back (f : nat -> nat) (c : cache) (v : nat) : nat :=
  match find (fun x => f x =? v) c with Some x => x | None => 0 end.
Definition table_step (t : PositiveMap.t (prow choice)) (j : nat) (st : table_state) (p : nat) : option table_state :=
  let '(f, lev, c, a) := st in
  match find_row choice t j lev c with
  | None => None
  | Some (vs, _) =>
      let v := victim vs (f p) in
      let (rise, new) := advance l n k lev (f p) in
      let c' := snd (answer v c (f p)) in
      let a' := snd (answer (back f a v) a p) in
      let s := tidy_position l n new c' in
      if mem p a' && (length a' <=? k)
      then Some (fun x => rename s (f x), relabel N s new, sort (map (rename s) c'), a') else None
  end.
Fixpoint table_run (t : PositiveMap.t (prow choice)) (h : list nat) : option table_state :=
  match h with
  | [] => Some (fun x => x, repeat 0 N, [], [])
  | p :: h' => match table_run t h' with Some st => table_step t (length h' mod l) st p | None => None end
  end.
Definition table_policy (t : PositiveMap.t (prow choice)) (h : list nat) : cache :=
  match table_run t h with Some (_, _, _, a) => a | None => [hd 0 h] end.

Section Sound.
Variable rows : list (prow choice).
Variable asked : list (list nat * nat).
Variable add : nat.
Hypothesis checked : check_upper rows asked add = true.
Notation t := (build_rows choice rows).

Lemma parts : 0 < l /\ 0 < n /\ 0 < k /\ (0 <= P)%Z /\ (0 <= Q)%Z /\ (forall r, In r asked -> request_ok_below r = true) /\
  (forall r, In r rows -> choices_ok t (build_known asked) r = true) /\
  exists vs z, find_row choice t 0 (repeat 0 N) [] = Some (vs, z) /\ (z <= Z.of_nat add)%Z.
Proof.
  unfold check_upper in checked. rewrite !andb_true_iff, !forallb_forall in checked.
  destruct checked as [[[[[[[H1 H2] H3] H4] H0] H5] H6] H7].
  apply Nat.ltb_lt in H1, H2, H3. apply Z.leb_le in H4, H0. repeat split; auto.
  destruct (find_row _ _ _ _ _) as [[vs z]|] eqn:E; [|discriminate]. apply Z.leb_le in H7. eauto.
Qed.

Lemma table_online : online (table_policy t) k.
Proof.
  destruct parts as [_ [_ [Hk _]]]. unfold table_policy. split.
  - intros [|p h]; [simpl; lia|]. simpl. destruct (table_run t h) as [[[[f lev] c] a]|]; [|simpl; lia].
    unfold table_step. destruct (find_row _ _ _ _ _) as [[vs z]|]; [|simpl; lia].
    destruct (advance l n k lev (f p)) as [rise new].
    destruct (mem p _ && _) eqn:E; [|simpl; lia]. apply andb_true_iff in E. destruct E as [_ E]. now apply Nat.leb_le.
  - intros p h. simpl. destruct (table_run t h) as [[[[f lev] c] a]|]; [|now left].
    unfold table_step. destruct (find_row _ _ _ _ _) as [[vs z]|]; [|now left].
    destruct (advance l n k lev (f p)) as [rise new].
    destruct (mem p _ && _) eqn:E; [|now left]. apply andb_true_iff in E. destruct E as [E _]. now apply mem_In.
Qed.

Lemma answer_lazy v c p : mem p c || (length c <? k) || mem v c = true -> In (answer v c p) (lazy_answers k c p).
Proof.
  unfold answer, lazy_answers. destruct (mem p c); [now left|]. destruct (length c <? k); [now left|]. simpl.
  intros H. apply in_map_iff. exists v. split; auto. now apply mem_In.
Qed.
(* the same answer in pages and in places *)
Lemma answer_both f a c v p : inside n f -> is_cache k a -> same (map f a) c ->
  mem (f p) c || (length c <? k) || mem v c = true ->
  fst (answer (back f a v) a p) = fst (answer v c (f p)) /\
  same (map f (snd (answer (back f a v) a p))) (snd (answer v c (f p))) /\
  In (answer (back f a v) a p) (lazy_answers k a p).
Proof.
  intros Hf Ha Hs H. pose proof Hf as [Hf1 _].
  pose proof (same_mem _ _ (f p) Hs) as Em. rewrite map_mem in Em by auto.
  pose proof (same_length _ _ Hs) as El. rewrite map_length in El.
  destruct (mem p a) eqn:E.
  - unfold answer, lazy_answers. rewrite E, <- Em. simpl. auto.
  - assert (Hn : ~ In p a) by (rewrite <- mem_In; congruence).
    destruct (length a <? k) eqn:Ek.
    + unfold answer, lazy_answers. rewrite E, <- Em, Ek, <- El, Ek. simpl. split; auto. split; [|now left].
      destruct Hs as [S1 [S2 S3]].
      assert (Hp : ~ In (f p) (map f a)).
      { intros H1. apply in_map_iff in H1. destruct H1 as [x [H1 H2]]. apply Hf1 in H1. congruence. }
      split; [constructor; auto|]. split; [constructor; auto; now rewrite <- S3|]. intros x. simpl. rewrite S3. tauto.
    + rewrite <- Em, <- El, Ek in H. simpl in H. apply mem_In in H.
      assert (Hb : f (back f a v) = v /\ In (back f a v) a).
      { unfold back. destruct (find (fun x => f x =? v) a) as [x|] eqn:Ex.
        - apply find_some in Ex. destruct Ex as [X1 X2]. apply Nat.eqb_eq in X2. auto.
        - exfalso. apply Hs in H. apply in_map_iff in H. destruct H as [x [X1 X2]].
          pose proof (find_none _ _ Ex x X2) as X3. simpl in X3. apply Nat.eqb_neq in X3. congruence. }
      destruct Hb as [B1 B2]. unfold answer, lazy_answers. rewrite E, <- Em, Ek, <- El, Ek. cbn [fst snd map].
      split; auto. split; [|apply in_map_iff; exists (back f a v); auto].
      rewrite <- B1 at 2. rewrite <- map_remove by auto.
      destruct Hs as [S1 [S2 S3]].
      assert (Hr : forall y, In y (remove Nat.eq_dec (f (back f a v)) (map f a)) <-> In y (remove Nat.eq_dec (f (back f a v)) c)).
      { intros y. split; intros Hy; apply in_remove in Hy; destruct Hy; apply in_in_remove; auto; now apply S3. }
      assert (Hp : ~ In (f p) (map f a)).
      { intros H1. apply in_map_iff in H1. destruct H1 as [x [H1 H2]]. apply Hf1 in H1. congruence. }
      split; [constructor; [|now apply NoDup_remove_eq]; intros H1; apply in_remove in H1; tauto|].
      split; [constructor; [|now apply NoDup_remove_eq]; intros H1; apply in_remove in H1; apply Hp, S3; tauto|].
      intros x. simpl. rewrite Hr. tauto.
Qed.
Lemma answer_loads v a p : is_cache k a -> In (answer v a p) (lazy_answers k a p) ->
  length (minus (snd (answer v a p)) a) <= fst (answer v a p).
Proof.
  intros Ha Hin. assert (Hc : is_cache k (snd (answer v a p))).
  { destruct (answer v a p) as [o a']. eapply answer_cache; eauto. }
  unfold answer in *. destruct (mem p a); [simpl; rewrite minus_self; auto|].
  assert (E : forall a', NoDup a' -> incl a' (p :: a) -> length (minus a' a) <= 1).
  { intros a' H1 H2. change 1 with (length [p]). apply NoDup_incl_length; [now apply minus_NoDup|].
    intros x Hx. apply minus_In in Hx. destruct Hx as [X1 X2]. apply H2 in X1. destruct X1 as [<-|X1]; [now left|tauto]. }
  destruct (length a <? k); cbn [fst snd] in *; apply E; try apply Hc.
  - intros x; auto.
  - intros x [<-|Hx]; [now left|]. apply in_remove in Hx. right. tauto.
Qed.

Lemma table_from : forall s h f lev c a vs here C U m,
  table_run t h = Some (f, lev, c, a) -> find_row choice t (length h mod l) lev c = Some (vs, here) ->
  inside n f -> is_cache k a -> same (map f a) c ->
  layered l n (length h) s -> is_cache k C -> same (map f C) U -> (forall x, In x U -> x < N) ->
  lazy_schedule k C s m ->
  (Q * Z.of_nat (paid (table_policy t) (rev s ++ h)) <=
   Q * Z.of_nat (paid (table_policy t) h) + P * Z.of_nat m + P * Z.of_nat (work k lev U) + here)%Z.
Proof.
  destruct parts as [Hl [Hn [Hk [HP [HQ [Hasked [Hrows _]]]]]]].
  induction s as [|p s IH]; intros h f lev c a vs here C U m Hrun Hfind Hf Ha Hsame Hlay HC HCS HS Hsched.
  - inversion Hsched; subst. simpl. apply find_row_in, Hrows in Hfind. unfold choices_ok in Hfind.
    apply andb_true_iff in Hfind. destruct Hfind as [Hz _]. apply Z.leb_le in Hz. lia.
  - inversion Hsched as [|C0 p0 s0 o2 C' m' Hans Hrest]; subst. destruct Hlay as [Hp [Hpl Hlay]].
    pose proof Hf as [Hf1 Hf2].
    pose proof Hfind as Hfind'. apply find_row_in in Hfind'. pose proof (Hrows _ Hfind') as Hr.
    unfold choices_ok in Hr. apply andb_true_iff in Hr. destruct Hr as [_ Hr]. rewrite forallb_forall in Hr.
    assert (HiN : f p < N) by (apply layer_range; auto; rewrite Hf2; now apply (layer_range l n p)).
    assert (Hi : In (f p) (seq (length h mod l * n) n)).
    { apply in_seq. rewrite <- Hpl, <- (Hf2 p). unfold layer.
      pose proof (Nat.div_mod (f p) n ltac:(lia)). pose proof (Nat.mod_upper_bound (f p) n ltac:(lia)). nia. }
    specialize (Hr _ Hi). unfold choice_ok in Hr. rewrite !andb_true_iff in Hr. destruct Hr as [[Hknown Hv] Hr].
    set (v := victim vs (f p)) in *.
    apply is_known_in, Hasked in Hknown. unfold request_ok_below in Hknown. cbn [fst snd] in Hknown.
    destruct (answer_both f a c v p Hf Ha Hsame Hv) as [B1 [B2 B3]].
    pose proof (answer_loads (back f a v) a p Ha B3) as B4.
    assert (Ha' : is_cache k (snd (answer (back f a v) a p))).
    { clear - Ha B3. destruct (answer (back f a v) a p) as [o a']. eapply answer_cache; [exact Ha|exact B3]. }
    assert (Hin : In p (snd (answer (back f a v) a p))).
    { unfold answer. destruct (mem p a) eqn:E; [now apply mem_In|]. destruct (length a <? k); now left. }
    assert (Hnext : table_step t (length h mod l) (f, lev, c, a) p =
      let (rise, new) := advance l n k lev (f p) in
      let c' := snd (answer v c (f p)) in let s1 := tidy_position l n new c' in
      Some (fun x => rename s1 (f x), relabel N s1 new, sort (map (rename s1) c'), snd (answer (back f a v) a p))).
    { unfold table_step. rewrite Hfind. fold v. destruct (advance l n k lev (f p)) as [rise new].
      replace (mem p (snd (answer (back f a v) a p)) && (length (snd (answer (back f a v) a p)) <=? k)) with true; auto.
      symmetry. apply andb_true_iff. split; [now apply mem_In|apply Nat.leb_le, Ha']. }
    destruct (advance l n k lev (f p)) as [rise new]. cbv zeta in Hnext.
    assert (Hrun' : table_run t (p :: h) = Some (fun x => rename (tidy_position l n new (snd (answer v c (f p)))) (f x),
        relabel N (tidy_position l n new (snd (answer v c (f p)))) new,
        sort (map (rename (tidy_position l n new (snd (answer v c (f p))))) (snd (answer v c (f p)))),
        snd (answer (back f a v) a p))) by (cbn [table_run]; rewrite Hrun; exact Hnext).
    clear Hnext. set (a' := snd (answer (back f a v) a p)) in *. rewrite B1 in B4.
    destruct (answer v c (f p)) as [o c'] eqn:Ea. cbn [fst snd] in *.
    set (s1 := tidy_position l n new c') in *.
    apply andb_true_iff in Hr. destruct Hr as [Hfair Hr].
    destruct (find_row choice t (S (length h mod l) mod l) _ _) as [[vs' there]|] eqn:Ef; [|discriminate].
    apply Z.leb_le in Hr. pose proof (inside_rename n s1 Hfair) as Is.
    assert (range : forall x, rename s1 x < N <-> x < N) by (intros x; rewrite !layer_range by auto; now rewrite (proj2 Is)).
    (* the schedule, in places *)
    pose proof (map_answers k f C p o2 C' Hf1 Hans) as Hans1.
    destruct (answer_of_same k _ _ _ _ _ HCS Hans1) as [U1 [HS1 HsS]].
    assert (HSc : is_cache k U).
    { destruct HCS as [E1 [E2 E3]]. split; auto. rewrite <- (same_length (map f C) U) by (split; auto).
      rewrite map_length. apply HC. }
    pose proof (below_step k N lev (f p) rise new U o2 U1 Hknown HSc HS HS1) as Hw.
    assert (HU1N : forall x, In x U1 -> x < N).
    { intros x Hx. destruct (answer_in k U (f p) o2 U1 x HS1 Hx) as [->|H]; auto. }
    assert (Hmod : S (length h) mod l = S (length h mod l) mod l).
    { replace (S (length h)) with (length h + 1) by lia.
      replace (S (length h mod l)) with (length h mod l + 1) by lia. rewrite Nat.add_mod_idemp_l; lia. }
    assert (G : (Q * Z.of_nat (paid (table_policy t) (rev s ++ p :: h)) <= Q * Z.of_nat (paid (table_policy t) (p :: h)) +
      P * Z.of_nat m' + P * Z.of_nat (work k (relabel N s1 new) (map (rename s1) U1)) + there)%Z).
    { apply (IH (p :: h) _ _ _ _ vs' there C' (map (rename s1) U1) m' Hrun'); auto.
      - cbn [length]. rewrite Hmod. exact Ef.
      - now apply (inside_comp n f (rename s1)).
      - assert (A : same (map (rename s1) c') (sort (map (rename s1) c'))).
        { apply sorted_same. destruct B2 as [_ [B2 _]].
          split; [apply map_NoDup; auto; apply Is|]. split; [apply map_NoDup; auto; apply Is|tauto]. }
        pose proof (same_map (rename s1) _ _ (proj1 Is) B2) as A2. rewrite map_map in A2.
        destruct A as [A3 [A4 A5]]. destruct A2 as [A6 [A7 A8]]. split; auto. split; auto. intros x. now rewrite A8.
      - eapply answer_cache; [exact HC|exact Hans].
      - rewrite <- (map_map f (rename s1)). apply same_map; auto. apply Is.
      - intros x Hx. apply in_map_iff in Hx. destruct Hx as [y [<- Hy]]. apply range. auto. }
    rewrite relabel_work in G by (intros x Hx; apply range; auto).
    assert (Hpaid : paid (table_policy t) (p :: h) <= o + paid (table_policy t) h).
    { cbn [paid]. unfold table_policy at 1 2. rewrite Hrun', Hrun. lia. }
    simpl rev. rewrite <- app_assoc. cbn [app].
    assert (Q * Z.of_nat (paid (table_policy t) (p :: h)) <= Q * Z.of_nat (paid (table_policy t) h) + Q * Z.of_nat o)%Z by nia.
    assert (P * Z.of_nat rise + P * Z.of_nat (work k new U1) <= P * Z.of_nat o2 + P * Z.of_nat (work k lev U))%Z by nia.
    rewrite Nat2Z.inj_add. lia.
Qed.

Lemma table_at_most b m : layered l n 0 (rev b) -> schedule k [] (rev b) m ->
  (Q * Z.of_nat (paid (table_policy t) b) <= P * Z.of_nat m + Z.of_nat add)%Z.
Proof.
  intros Hb Hm. destruct parts as [Hl [Hn [Hk [HP [HQ [_ [_ [vs [z [Hfind Hz]]]]]]]]]].
  destruct (lazy_optimal k (rev b) m Hm) as [m' [Hm' Hle]].
  assert (E : same (map (fun x : nat => x) []) []) by (simpl; split; [constructor|split; [constructor|tauto]]).
  assert (C0 : is_cache k []) by (split; [constructor|simpl; lia]).
  assert (F0 : find_row choice t (length (@nil nat) mod l) (repeat 0 N) [] = Some (vs, z))
    by (simpl length; rewrite Nat.mod_0_l by lia; exact Hfind).
  pose proof (table_from (rev b) [] (fun x => x) (repeat 0 N) [] [] vs z [] [] m' eq_refl F0 (inside_id n) C0 E Hb C0 E
    ltac:(intros x []) Hm') as G.
  rewrite rev_involutive, app_nil_r in G. simpl paid in G at 2.
  assert (W : work k (repeat 0 N) [] = 0) by reflexivity. rewrite W in G. nia.
Qed.
End Sound.
End GameUpper.

Theorem check_upper_sound l n k P Q rows asked add :
  check_upper l n k (Z.of_nat P) (Z.of_nat Q) rows asked add = true -> some_policy l n k P Q.
Proof.
  intros H. exists (table_policy l n k (build_rows choice rows)). split.
  - eapply table_online; eauto.
  - exists add. intros b m Hb Hm. pose proof (table_at_most l n k _ _ rows asked add H b m Hb Hm). lia.
Qed.
