(* A checker of potentials whose rows stand for all their renamings inside layers.
   A row is (layer, state of the policy, [(offline cache, potential)]). *)
From Coq Require Import List Arith Bool Lia ZArith PArith FMapPositive.
From LP.library Require Import Model Laziness Machine Checker Witness.
Import ListNotations.

(* ---- renamings ---- *)
Definition swap (a b x : nat) : nat := if x =? a then b else if x =? b then a else x.
Fixpoint rename (s : list (nat * nat)) (x : nat) : nat :=
  match s with [] => x | (a, b) :: r => rename r (swap a b x) end.

Definition inside (n : nat) (f : nat -> nat) : Prop :=
  (forall x y, f x = f y -> x = y) /\ (forall x, layer n (f x) = layer n x).

Lemma inside_id n : inside n (fun x => x).
Proof. split; auto. Qed.
Lemma inside_comp n f g : inside n f -> inside n g -> inside n (fun x => g (f x)).
Proof. intros [F1 F2] [G1 G2]. split; [auto|]. intros x. now rewrite G2, F2. Qed.
Lemma inside_swap n a b : layer n a = layer n b -> inside n (swap a b).
Proof.
  intros H. unfold swap. split.
  - intros x y. destruct (Nat.eqb_spec x a), (Nat.eqb_spec y a), (Nat.eqb_spec x b), (Nat.eqb_spec y b); congruence.
  - intros x. destruct (Nat.eqb_spec x a); [congruence|]. destruct (Nat.eqb_spec x b); congruence.
Qed.
Definition fair (n : nat) (s : list (nat * nat)) : bool := forallb (fun ab => layer n (fst ab) =? layer n (snd ab)) s.
Lemma inside_rename n s : fair n s = true -> inside n (rename s).
Proof.
  induction s as [|[a b] s IH]; simpl; intros H; [apply inside_id|].
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Nat.eqb_eq in H1. simpl in H1.
  apply (inside_comp n (swap a b) (rename s)); auto. now apply inside_swap.
Qed.

Lemma layer_range l n p : 0 < n -> (p < l * n <-> layer n p < l).
Proof.
  intros Hn. unfold layer. split; intros H.
  - apply Nat.div_lt_upper_bound; lia.
  - pose proof (Nat.div_mod p n ltac:(lia)). pose proof (Nat.mod_upper_bound p n ltac:(lia)). nia.
Qed.

(* caches and renamings *)
Lemma map_NoDup f (c : list nat) : (forall x y : nat, f x = f y :> nat -> x = y) -> NoDup c -> @NoDup nat (map f c).
Proof.
  intros Hf. induction 1; simpl; constructor; auto. intros H1. apply in_map_iff in H1.
  destruct H1 as [y [H1 H2]]. apply Hf in H1. congruence.
Qed.
Lemma map_mem f (c : list nat) p : (forall x y : nat, f x = f y :> nat -> x = y) -> mem (f p) (map f c) = mem p c.
Proof.
  intros Hf. destruct (mem p c) eqn:E.
  - apply mem_In. apply in_map. now apply mem_In.
  - apply not_true_iff_false. rewrite mem_In, in_map_iff. intros [y [H1 H2]]. apply Hf in H1. subst.
    apply mem_In in H2. congruence.
Qed.
Lemma map_remove f (c : list nat) p : (forall x y : nat, f x = f y :> nat -> x = y) ->
  remove Nat.eq_dec (f p) (map f c) = map f (remove Nat.eq_dec p c).
Proof.
  intros Hf. induction c as [|x c IH]; simpl; auto.
  destruct (Nat.eq_dec (f p) (f x)) as [e|N], (Nat.eq_dec p x) as [e'|N']; simpl; try congruence.
  apply Hf in e. congruence.
Qed.
Lemma map_answers k f c p o c' : (forall x y : nat, f x = f y :> nat -> x = y) ->
  In (o, c') (lazy_answers k c p) -> In (o, map f c') (lazy_answers k (map f c) (f p)).
Proof.
  intros Hf. unfold lazy_answers. rewrite map_mem, map_length by auto. destruct (mem p c).
  - intros [[= <- <-]|[]]. now left.
  - destruct (length c <? k).
    + intros [[= <- <-]|[]]. now left.
    + rewrite !in_map_iff. intros [x [[= <- <-] Hx]]. exists (f x). split; [|now apply in_map].
      f_equal. simpl. now rewrite map_remove.
Qed.

Section Renamed.
Variables l n h : nat.                       (* h: slots of the optimum *)
Hypothesis l_pos : 0 < l.
Hypothesis n_pos : 0 < n.
Variable St : Type.
Variable init : St.
Variable step : nat -> St -> nat -> St * nat.
Variable act : (nat -> nat) -> St -> St.
Variable St_eqb : St -> St -> bool.
Hypothesis St_eqb_ok : forall a b, St_eqb a b = true -> a = b.
Hypothesis act_id : act (fun x => x) init = init.
Hypothesis act_act : forall f g st, act g (act f st) = act (fun x => g (f x)) st.
Hypothesis act_step : forall f j st p, inside n f -> layer n p = j ->
  step j (act f st) (f p) = (act f (fst (step j st p)), snd (step j st p)).
(* these three decide what is found, never what is true *)
Variable code : St -> positive.
Variable tidy_state : St -> list (nat * nat).
Variable tidy_cache : St -> cache -> list (nat * nat).

Variables P Q : Z.

Definition entries := list (cache * Z).
Definition row : Type := nat * St * entries.
Definition place : Type := nat * St * PositiveMap.t (cache * Z).
Definition plan := PositiveMap.t place.

Fixpoint mask (c : cache) : positive :=
  match c with [] => xH | x :: r => Pos.lor (Pos.shiftl 2 (N.of_nat x)) (mask r) end.
Definition code_row (j : nat) (st : St) : positive := (Pos.of_succ_nat j + 32 * code st)%positive.

Definition build_entries (es : entries) : PositiveMap.t (cache * Z) :=
  fold_right (fun e t => PositiveMap.add (mask (fst e)) e t) (PositiveMap.empty _) es.
Definition build_plan (rows : list row) : plan :=
  fold_right (fun (r : row) (t : plan) => let '(j, st, es) := r in PositiveMap.add (code_row j st) (j, st, build_entries es) t)
    (PositiveMap.empty place) rows.
Definition find_state (t : plan) (j : nat) (st : St) : option (PositiveMap.t (cache * Z)) :=
  match PositiveMap.find (code_row j st) t with
  | Some (i, w, m) => if (i =? j) && St_eqb w st then Some m else None
  | None => None
  end.
Definition find_cache (m : PositiveMap.t (cache * Z)) (c : cache) : option Z :=
  match PositiveMap.find (mask c) m with
  | Some (d, z) => if list_eqb d c then Some z else None
  | None => None
  end.

Definition entry_ok (st1 : St) (m1 : PositiveMap.t (cache * Z)) (s1 : list (nat * nat)) (missed : Z)
    (p : nat) (e : cache * Z) : bool :=
  forallb (fun oc : nat * cache =>
    let c1 := map (rename s1) (snd oc) in
    let s2 := tidy_cache st1 c1 in
    fair n s2 && St_eqb (act (rename s2) st1) st1 &&
    match find_cache m1 (sort (map (rename s2) c1)) with
    | Some there => (Q * missed + there <=? P * Z.of_nat (fst oc) + snd e)%Z
    | None => false
    end) (lazy_answers h (fst e) p).

Definition request_ok (t : plan) (j : nat) (st : St) (es : entries) (p : nat) : bool :=
  let (st', missed) := step j st p in
  let s1 := tidy_state st' in
  let st1 := act (rename s1) st' in
  fair n s1 &&
  match find_state t (S j mod l) st1 with
  | Some m1 => let z := Z.of_nat missed in forallb (entry_ok st1 m1 s1 z p) es
  | None => false
  end.

Definition row_ok (t : plan) (r : row) : bool :=
  let '(j, st, es) := r in
  forallb (fun e => (0 <=? snd e)%Z) es && forallb (request_ok t j st es) (seq (j * n) n).

Definition check_rows (rows : list row) (add : Z) : bool :=
  let t := build_plan rows in
  forallb (row_ok t) rows &&
  match find_state t 0 init with
  | Some m => match find_cache m [] with Some z => (z <=? add)%Z | None => false end
  | None => false
  end.

Definition listed (rows : list row) (j : nat) (st : St) (c : cache) (z : Z) : Prop :=
  exists es, In (j, st, es) rows /\ In (c, z) es.

Lemma find_cache_in es c z : find_cache (build_entries es) c = Some z -> In (c, z) es.
Proof.
  unfold find_cache. destruct (PositiveMap.find _ _) as [[d z']|] eqn:E; [|discriminate].
  destruct (list_eqb d c) eqn:E2; [|discriminate]. intros [= ->]. apply list_eqb_ok in E2. subst.
  revert E. generalize (mask c) at 1 as key. induction es as [|e es IH]; simpl; intros key E.
  - rewrite PositiveMap.gempty in E. discriminate.
  - destruct (Pos.eq_dec key (mask (fst e))) as [->|N].
    + rewrite PositiveMap.gss in E. left. congruence.
    + rewrite PositiveMap.gso in E by auto. right. eauto.
Qed.
Lemma find_state_in rows j st m : find_state (build_plan rows) j st = Some m ->
  exists es, In (j, st, es) rows /\ m = build_entries es.
Proof.
  unfold find_state. destruct (PositiveMap.find _ _) as [[[i w] m']|] eqn:E; [|discriminate].
  destruct ((i =? j) && St_eqb w st) eqn:E2; [|discriminate]. intros [= ->].
  apply andb_true_iff in E2. destruct E2 as [E2 E3]. apply Nat.eqb_eq in E2. apply St_eqb_ok in E3. subst i w.
  revert E. generalize (code_row j st) as key. induction rows as [|[[i w] es] rows IH]; simpl; intros key E.
  - rewrite PositiveMap.gempty in E. discriminate.
  - destruct (Pos.eq_dec key (code_row i w)) as [->|N].
    + rewrite PositiveMap.gss in E. injection E as -> -> <-. exists es. auto.
    + rewrite PositiveMap.gso in E by auto. destruct (IH _ E) as [es' [H1 H2]]. exists es'. auto.
Qed.

Notation cost := (cost l St step).

Lemma sound_from rows : forallb (row_ok (build_plan rows)) rows = true ->
  forall s t st c f d z m, layered l n t s -> lazy_schedule h c s m -> NoDup c ->
  inside n f -> same (map f c) d -> listed rows (t mod l) (act f st) d z ->
  (Q * Z.of_nat (cost t st s) <= P * Z.of_nat m + z)%Z.
Proof.
  intros Hrows. rewrite forallb_forall in Hrows.
  induction s as [|p s IH]; intros t st c f d z m Hlay Hs Hc Hf Hsame [es [Hin Hz]].
  - inversion Hs; subst. simpl. apply Hrows in Hin. simpl in Hin. apply andb_true_iff in Hin.
    destruct Hin as [Hin _]. rewrite forallb_forall in Hin. apply Hin in Hz. apply Z.leb_le in Hz. simpl in Hz. lia.
  - inversion Hs as [|c0 p0 s0 o c' m' Hans Hrest]; subst.
    destruct Hlay as [Hp [Hl Hlay]]. pose proof Hf as [Hf1 Hf2].
    pose proof (Hrows _ Hin) as Hr. simpl in Hr. apply andb_true_iff in Hr. destruct Hr as [_ Hr].
    rewrite forallb_forall in Hr.
    assert (Hpin : In (f p) (seq (t mod l * n) n)).
    { apply in_seq. rewrite <- Hl, <- (Hf2 p). unfold layer.
      pose proof (Nat.div_mod (f p) n ltac:(lia)). pose proof (Nat.mod_upper_bound (f p) n ltac:(lia)). nia. }
    specialize (Hr _ Hpin). unfold request_ok in Hr.
    rewrite (act_step f (t mod l) st p Hf Hl) in Hr.
    simpl. destruct (step (t mod l) st p) as [st' missed] eqn:Est. cbn [fst snd] in Hr.
    set (s1 := tidy_state (act f st')) in Hr.
    apply andb_true_iff in Hr. destruct Hr as [Hfair1 Hr].
    destruct (find_state _ _ _) as [m1|] eqn:Ef; [|discriminate].
    apply find_state_in in Ef. destruct Ef as [es' [Hin' ->]].
    rewrite forallb_forall in Hr. specialize (Hr _ Hz). unfold entry_ok in Hr. simpl in Hr.
    pose proof (map_answers h f c p o c' Hf1 Hans) as Hans1.
    destruct (same_answers l h St init step code (map f c) d (f p) o (map f c') Hsame Hans1) as [d' [Hd' Hsd]].
    rewrite forallb_forall in Hr. specialize (Hr _ Hd'). cbn [fst snd] in Hr.
    set (c1 := map (rename s1) d') in Hr.
    set (s2 := tidy_cache (act (rename s1) (act f st')) c1) in Hr.
    apply andb_true_iff in Hr. destruct Hr as [Hr1 Hr2]. apply andb_true_iff in Hr1. destruct Hr1 as [Hfair2 Hfix].
    apply St_eqb_ok in Hfix.
    destruct (find_cache _ _) as [there|] eqn:Ec; [|discriminate]. apply find_cache_in in Ec.
    apply Z.leb_le in Hr2.
    pose proof (inside_rename n s1 Hfair1) as I1. pose proof (inside_rename n s2 Hfair2) as I2.
    set (g := fun x => rename s2 (rename s1 (f x))).
    assert (Ig : inside n g) by (apply (inside_comp n (fun x => rename s1 (f x))); auto; now apply inside_comp).
    assert (Hstate : act g st' = act (rename s1) (act f st')).
    { transitivity (act (rename s2) (act (rename s1) (act f st'))); [rewrite !act_act; reflexivity | exact Hfix]. }
    assert (Hcache : same (map g c') (sort (map (rename s2) c1))).
    { apply (same_sort l St init step code). unfold c1, g. rewrite map_map.
      replace (map (fun x => rename s2 (rename s1 (f x))) c') with (map (fun x => rename s2 (rename s1 x)) (map f c'))
        by (now rewrite map_map).
      destruct Hsd as [N1 [N2 Hx]].
      assert (Hinj : forall x y, rename s2 (rename s1 x) = rename s2 (rename s1 y) -> x = y)
        by (intros x y Hxy; apply I1, I2, Hxy).
      split; [now apply (map_NoDup (fun x => rename s2 (rename s1 x)))|].
      split; [now apply (map_NoDup (fun x => rename s2 (rename s1 x)))|].
      intros x. rewrite !in_map_iff. split; intros [y [<- Hy]]; exists y; split; auto; now apply Hx. }
    assert (Hmod : S (t mod l) mod l = S t mod l).
    { replace (S t) with (t + 1) by lia. replace (S (t mod l)) with (t mod l + 1) by lia.
      rewrite Nat.add_mod_idemp_l; lia. }
    specialize (IH (S t) st' c' g (sort (map (rename s2) c1)) there m' Hlay Hrest).
    assert (H : (Q * Z.of_nat (cost (S t) st' s) <= P * Z.of_nat m' + there)%Z).
    { apply IH; auto.
      - eapply answers_cache; eauto.
      - exists es'. rewrite <- Hmod, Hstate. auto. }
    rewrite !Nat2Z.inj_add. lia.
Qed.

(* THE CHECKER IS SOUND: against every schedule, lazy or not, on every layered sequence of every length *)
Theorem check_rows_sound rows add : check_rows rows add = true -> (0 <= P)%Z ->
  forall s m, layered l n 0 s -> schedule h [] s m ->
  (Q * Z.of_nat (cost 0 init s) <= P * Z.of_nat m + add)%Z.
Proof.
  intros H HP s m Hlay Hs. unfold check_rows in H. apply andb_true_iff in H. destruct H as [Hrows H0].
  destruct (find_state _ _ _) as [m0|] eqn:E; [|discriminate].
  destruct (find_cache _ _) as [z|] eqn:E2; [|discriminate]. apply Z.leb_le in H0.
  apply find_state_in in E. destruct E as [es [Hin ->]]. apply find_cache_in in E2.
  destruct (lazy_optimal h s m Hs) as [m' [Hm' Hle]].
  assert (Hl : listed rows (0 mod l) (act (fun x => x) init) [] z).
  { exists es. rewrite Nat.mod_0_l, act_id by lia. auto. }
  assert (Hsame : same (map (fun x : nat => x) []) []) by (repeat split; auto; constructor).
  pose proof (sound_from rows Hrows s 0 init [] (fun x => x) [] z m' Hlay Hm' ltac:(constructor) (inside_id n) Hsame Hl).
  nia.
Qed.
End Renamed.
