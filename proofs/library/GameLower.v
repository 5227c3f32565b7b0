(* A checker of lower bounds on the best deterministic ratio: an adversary's graph of positions.
   At each position it asks for one page; every lazy answer leads to a position of the graph again. *)
From Coq Require Import List Arith Bool Lia ZArith FMapPositive.
From LP.library Require Import Model Laziness Online Checker Renamed Policies Levels Game.
Import ListNotations.

(* ---- any online algorithm, imitated lazily ---- *)
Section Imitation.
Variable k : nat.
Variable alg : list nat -> cache.
Hypothesis alg_ok : online alg k.

Definition held (h : list nat) : cache := nodup Nat.eq_dec (alg h).
Fixpoint imitation (h : list nat) : cache :=
  match h with
  | [] => []
  | p :: h' => let c := imitation h' in
      if mem p c then c else if length c <? k then p :: c
      else p :: remove Nat.eq_dec (hd p (minus c (held (p :: h')))) c
  end.

Lemma held_ok h : is_cache k (held h).
Proof.
  split; [apply NoDup_nodup|]. etransitivity; [|apply (proj1 alg_ok h)].
  apply NoDup_incl_length; [apply NoDup_nodup|]. intros x Hx. now apply nodup_In in Hx.
Qed.
Lemma held_serves p h : In p (held (p :: h)).
Proof. apply nodup_In. apply alg_ok. Qed.

Lemma imitation_step h p : is_cache k (imitation h) ->
  In (if mem p (imitation h) then 0 else 1, imitation (p :: h)) (lazy_answers k (imitation h) p) /\
  (if mem p (imitation h) then 0 else 1) + length (minus (held (p :: h)) (imitation (p :: h)))
    <= length (minus (held (p :: h)) (imitation h)).
Proof.
  intros [H1 H2]. unfold lazy_answers. simpl imitation. destruct (mem p (imitation h)) eqn:E; [split; [now left|lia]|].
  assert (Hn : ~ In p (imitation h)) by (rewrite <- mem_In; congruence).
  pose proof (held_ok (p :: h)) as [C1 C2]. pose proof (held_serves p h) as C3.
  destruct (length (imitation h) <? k) eqn:El.
  - split; [now left|]. apply minus_shrinks with p; simpl; auto.
  - apply Nat.ltb_ge in El.
    destruct (exists_victim (imitation h) (held (p :: h)) p) as [x [X1 X2]]; auto; [lia|].
    assert (Hx : In x (minus (imitation h) (held (p :: h)))) by (apply minus_In; auto).
    destruct (minus (imitation h) (held (p :: h))) as [|y r] eqn:Em; [inversion Hx|]. simpl hd.
    assert (Hy : In y (minus (imitation h) (held (p :: h)))) by (rewrite Em; now left).
    apply minus_In in Hy. destruct Hy as [Y1 Y2]. split.
    + apply in_map_iff. exists y. auto.
    + apply minus_shrinks with p; simpl; auto. intros z Z1 Z2. right. apply in_in_remove; auto. intros ->; tauto.
Qed.
Lemma imitation_cache h : is_cache k (imitation h).
Proof.
  induction h as [|p h IH]; [split; [constructor|simpl; lia]|].
  destruct (imitation_step h p IH) as [H _]. eapply answer_cache; eauto.
Qed.
Lemma imitation_pays h : misses imitation h + length (minus (held h) (imitation h)) <= paid alg h + k.
Proof.
  induction h as [|p h IH].
  - simpl. etransitivity; [|apply (proj2 (held_ok []))]. unfold minus. rewrite <- (filter_ext (fun _ => true)) by reflexivity.
    apply NoDup_incl_length; [apply NoDup_filter, NoDup_nodup|]. intros x Hx. apply filter_In in Hx. tauto.
  - destruct (imitation_step h p (imitation_cache h)) as [_ H]. cbn [misses paid].
    pose proof (minus_trans (held (p :: h)) (held h) (imitation h) (NoDup_nodup _ _)) as T.
    assert (length (minus (held (p :: h)) (held h)) <= length (minus (alg (p :: h)) (alg h))).
    { apply NoDup_incl_length; [apply minus_NoDup, NoDup_nodup|]. intros x Hx. apply minus_In in Hx. apply minus_In.
      unfold held in Hx. rewrite !nodup_In in Hx. exact Hx. }
    lia.
Qed.
End Imitation.

Section GameLower.
Variables l n k : nat.
Notation N := (places l n).
Variables P Q : Z.
(* the request; the potential; a number that falls where neither side pays *)
Definition move : Type := nat * Z * nat.

Definition answer_ok (t : PositiveMap.t (prow move)) (j : nat) (new : list nat) (rise : nat) (here : Z) (r : nat)
    (oc : nat * cache) : bool :=
  let s := tidy_position l n new (snd oc) in
  fair n s &&
  match find_row move t (S j mod l) (relabel N s new) (sort (map (rename s) (snd oc))) with
  | Some (_, there, r') => (P * Z.of_nat rise + there <=? Q * Z.of_nat (fst oc) + here)%Z &&
      ((0 <? fst oc) || (0 <? rise) || (r' <? r))
  | None => false
  end.
Definition move_ok (t : PositiveMap.t (prow move)) (asked : known) (row : prow move) : bool :=
  let '(j, lev, c, (p, here, r)) := row in
  (layer n p =? j) && (j <? l) && is_known asked lev p &&
  let (rise, new) := advance l n k lev p in
  forallb (answer_ok t j new rise here r) (lazy_answers k c p).
Definition request_ok_above (r : list nat * nat) : bool :=
  let (rise, new) := advance l n k (fst r) (snd r) in above_ok k N (fst r) (snd r) rise new.
Definition check_lower (rows : list (prow move)) (asked : list (list nat * nat)) : bool :=
  let t := build_rows move rows in
  (0 <? l) && (0 <? n) && (0 <? k) && (k <=? N) && forallb request_ok_above asked &&
  forallb (move_ok t (build_known asked)) rows &&
  match find_row move t 0 (repeat 0 N) [] with Some _ => true | None => false end.

Section Sound.
Variable rows : list (prow move).
Variable asked : list (list nat * nat).
Hypothesis checked : check_lower rows asked = true.
Variable alg : list nat -> cache.
Hypothesis alg_ok : online alg k.

Definition most := list_max (map (fun r : prow move => snd (snd r)) rows).
(* what is true of a history that the adversary made, at a position of its graph *)
Definition played (phi0 : Z) (h : list nat) : Prop :=
  exists g lev c p here r base,
  In (length h mod l, lev, c, (p, here, r)) rows /\ layered l n 0 (rev h) /\ inside n g /\
  same (map g c) (imitation k alg h) /\
  (forall s, NoDup s -> length s = k -> (forall x, In x s -> x < N) ->
    exists d m, runs k [] (rev h) m d /\ m + length (minus (map g s) d) <= base + work k lev s) /\
  (P * Z.of_nat base + here <= Q * Z.of_nat (misses (imitation k alg) h) + phi0)%Z /\
  length h + r <= (most + 1) * (misses (imitation k alg) h + base) + most.

Lemma parts : 0 < l /\ 0 < n /\ 0 < k /\ k <= N /\ (forall r, In r asked -> request_ok_above r = true) /\
  (forall r, In r rows -> move_ok (build_rows move rows) (build_known asked) r = true) /\
  exists d, In (0, repeat 0 N, [], d) rows.
Proof.
  unfold check_lower in checked. rewrite !andb_true_iff, !forallb_forall in checked.
  destruct checked as [[[[[[H1 H2] H3] H4] H5] H6] H7].
  apply Nat.ltb_lt in H1, H2, H3. apply Nat.leb_le in H4. repeat split; auto.
  destruct (find_row _ _ _ _ _) as [d|] eqn:E; [|discriminate]. exists d. now apply find_row_in in E.
Qed.

Lemma rank_most j lev c p z r : In (j, lev, c, (p, z, r)) rows -> r <= most.
Proof.
  intros H. unfold most. pose proof (list_max_le (map (fun r : prow move => snd (snd r)) rows) most) as [L _].
  specialize (L (le_n _)). rewrite Forall_forall in L. apply L. apply in_map_iff. exists (j, lev, c, (p, z, r)). auto.
Qed.

Lemma played_start : exists phi0, played phi0 [].
Proof.
  destruct parts as [Hl [_ [_ [_ [_ [_ [[[p z] r] Hd]]]]]]]. exists z.
  exists (fun x => x), (repeat 0 N), [], p, z, r, 0. simpl length. rewrite Nat.mod_0_l by lia.
  split; auto. split; [exact I|]. split; [apply inside_id|].
  split; [simpl; split; [constructor|split; [constructor|tauto]]|]. split; [|split].
  - intros s Hs Hk HN. exists [], 0. split; [constructor|]. rewrite map_id.
    unfold work. replace (rank k (map (level (repeat 0 N)) s)) with 0.
    + assert (length (minus s []) <= length s); [|lia].
      apply NoDup_incl_length; [now apply minus_NoDup|]. intros x Hx. apply minus_In in Hx. tauto.
    + assert (E : map (level (repeat 0 N)) s = repeat 0 (length s)).
      { clear. induction s as [|x s IH]; simpl; auto. rewrite IH. f_equal. unfold level. apply nth_repeat. }
      rewrite E. clear. induction k as [|j IH]; auto. cbn [rank]. rewrite <- IH.
      replace (count_occ Nat.eq_dec (repeat 0 (length s)) (S j)) with 0; [lia|].
      symmetry. apply count_occ_not_In. intros H. apply repeat_spec in H. discriminate.
  - simpl. lia.
  - simpl. pose proof (rank_most _ _ _ _ _ _ Hd). lia.
Qed.

Lemma played_step phi0 h : played phi0 h -> exists p, played phi0 (p :: h).
Proof.
  destruct parts as [Hl [Hn [Hk [HkN [Hasked [Hrows _]]]]]].
  intros [g [lev [c [p [here [r [base [Hin [Hlay [Hg [Hsame [Hopt [Hpot Hrank]]]]]]]]]]]]].
  pose proof (Hrows _ Hin) as Hr. unfold move_ok in Hr. rewrite !andb_true_iff in Hr.
  destruct Hr as [[[Hj Hjl] Hknown] Hr]. apply Nat.eqb_eq in Hj. apply Nat.ltb_lt in Hjl.
  apply is_known_in, Hasked in Hknown. unfold request_ok_above in Hknown. cbn [fst snd] in Hknown.
  destruct (advance l n k lev p) as [rise new]. rewrite forallb_forall in Hr.
  assert (HpN : p < N) by (apply layer_range; auto; lia).
  pose proof Hg as [Hg1 Hg2].
  exists (g p).
  destruct (imitation_step k alg alg_ok h (g p) (imitation_cache k alg alg_ok h)) as [Hans _].
  remember (if mem (g p) (imitation k alg h) then 0 else 1) as o eqn:Eo.
  assert (Hsame' : same (imitation k alg h) (map g c)) by (destruct Hsame as [S1 [S2 S3]]; split; auto; split; auto; intros x; symmetry; apply S3).
  destruct (answer_of_same k _ _ _ _ _ Hsame' Hans) as [d' [Hd' Hsd]].
  rewrite map_answers_all in Hd' by auto. apply in_map_iff in Hd'. destruct Hd' as [[o1 c'] [Heq Hc']].
  injection Heq as Ho Hd''. cbn [fst snd] in *. subst d'. subst o1.
  specialize (Hr _ Hc'). unfold answer_ok in Hr. cbn [fst snd] in Hr.
  set (s := tidy_position l n new c') in *. apply andb_true_iff in Hr. destruct Hr as [Hfair Hr].
  destruct (find_row _ _ _ _ _) as [[[p' there] r']|] eqn:Ef; [|discriminate]. apply find_row_in in Ef.
  apply andb_true_iff in Hr. destruct Hr as [Hz Hidle]. apply Z.leb_le in Hz.
  pose proof (inside_rename n s Hfair) as Is. pose proof (inside_rename n _ (fair_rev n s Hfair)) as Ib.
  assert (range : forall x, rename (rev s) x < N <-> x < N)
    by (intros x; rewrite !layer_range by auto; now rewrite (proj2 Ib)).
  exists (fun x => g (rename (rev s) x)), (relabel N s new), (sort (map (rename s) c')), p', there, r', (base + rise).
  assert (Hmod : S (length h) mod l = S (length h mod l) mod l).
  { replace (S (length h)) with (length h + 1) by lia. replace (S (length h mod l)) with (length h mod l + 1) by lia.
    rewrite Nat.add_mod_idemp_l; lia. }
  cbn [length]. rewrite Hmod. split; [exact Ef|].
  split; [|split; [|split; [|split; [|split]]]].
  - (* the sequence stays layered *)
    simpl rev. apply layered_app; auto. simpl. rewrite rev_length. split; [|split; auto].
    + apply layer_range; auto. rewrite Hg2. lia.
    + rewrite Hg2. exact Hj.
  - apply (inside_comp n (rename (rev s)) g); auto.
  - (* the cache *)
    assert (E : same (map g c') (map (fun x => g (rename (rev s) x)) (sort (map (rename s) c')))).
    { assert (Nd : NoDup c').
      { destruct Hsd as [_ [S2 _]]. apply NoDup_map_inv in S2. exact S2. }
      assert (A : same (map (rename s) c') (sort (map (rename s) c'))).
      { apply sorted_same. split; [apply map_NoDup; auto; apply Is|]. split; [apply map_NoDup; auto; apply Is|tauto]. }
      apply (same_map (fun x => g (rename (rev s) x))) in A; [|intros x y Hxy; apply Ib, Hg1, Hxy].
      rewrite map_map in A. rewrite (map_ext (fun x => g (rename (rev s) (rename s x))) g) in A; auto.
      intros x. now rewrite rename_back. }
    destruct E as [E1 [E2 E3]]. destruct Hsd as [S1 [S2 S3]]. split; auto. split; auto.
    intros x. rewrite S3. symmetry. apply E3.
  - (* a schedule for each set *)
    intros u Hu Huk HuN. set (v := map (rename (rev s)) u).
    assert (Hv : NoDup v) by (apply map_NoDup; auto; apply Ib).
    assert (Hvk : length v = k) by (unfold v; rewrite map_length; auto).
    assert (HvN : forall x, In x v -> x < N).
    { intros x Hx. apply in_map_iff in Hx. destruct Hx as [y [<- Hy]]. apply range. auto. }
    assert (Ew : work k (relabel N s new) u = work k new v).
    { rewrite <- (relabel_work k N s new v).
      - f_equal. unfold v. rewrite map_map. rewrite <- (map_id u) at 1. apply map_ext. intros x. now rewrite rename_forth.
      - intros x Hx. apply in_map_iff in Hx. destruct Hx as [y [<- Hy]]. rewrite rename_forth. auto. }
    replace (map (fun x => g (rename (rev s) x)) u) with (map g v) by (unfold v; now rewrite map_map).
    rewrite Ew. simpl rev.
    assert (Hcache : forall w, NoDup w -> length w = k -> is_cache k (map g w)).
    { intros w W1 W2. split; [apply map_NoDup; auto|rewrite map_length; lia]. }
    destruct (above_step k N lev p rise new v Hknown Hv Hvk HvN) as [[Hp Hw]|[Hp [x [Hx Hw]]]].
    + destruct (Hopt v Hv Hvk HvN) as [d [m [R1 R2]]].
      exists (map g v), (m + (length (minus (map g v) d) + 0)). split.
      * eapply runs_app; eauto. constructor; [auto|now apply in_map|constructor].
      * rewrite minus_self. simpl. lia.
    + set (w := p :: remove Nat.eq_dec x v) in *.
      assert (W1 : NoDup w).
      { constructor; [|now apply NoDup_remove_eq]. intros H. apply in_remove in H. tauto. }
      assert (W2 : length w = k) by (unfold w; simpl; rewrite length_remove; auto).
      assert (W3 : forall y, In y w -> y < N).
      { intros y [<-|Hy]; auto. apply in_remove in Hy. apply HvN. tauto. }
      destruct (Hopt w W1 W2 W3) as [d [m [R1 R2]]].
      exists (map g w), (m + (length (minus (map g w) d) + 0)). split.
      * eapply runs_app; eauto. constructor; [auto|apply in_map; now left|constructor].
      * assert (length (minus (map g v) (map g w)) <= 1); [|lia].
        change 1 with (length [g x]). apply NoDup_incl_length; [apply minus_NoDup, map_NoDup; auto|].
        intros y Hy. apply minus_In in Hy. destruct Hy as [Y1 Y2]. apply in_map_iff in Y1. destruct Y1 as [z [<- Hzz]].
        left. destruct (Nat.eq_dec x z) as [->|Nx]; auto. exfalso. apply Y2. apply in_map. right. apply in_in_remove; [congruence|auto].
  - cbn [misses]. rewrite <- Eo.
    rewrite !Nat2Z.inj_add. lia.
  - cbn [misses]. rewrite <- Eo. pose proof (rank_most _ _ _ _ _ _ Ef) as M.
    set (mm := misses (imitation k alg) h) in *. set (X := most + 1) in *.
    replace (X * (o + mm + (base + rise))) with (X * (mm + base) + X * o + X * rise) by ring.
    rewrite !orb_true_iff in Hidle. destruct Hidle as [[Hi|Hi]|Hi]; apply Nat.ltb_lt in Hi.
    + assert (X * 1 <= X * o) by (apply Nat.mul_le_mono_l; exact Hi). lia.
    + assert (X * 1 <= X * rise) by (apply Nat.mul_le_mono_l; exact Hi). lia.
    + assert (0 <= X * o) by lia. lia.
Qed.
Lemma played_all phi0 : played phi0 [] -> forall T, exists h, length h = T /\ played phi0 h.
Proof.
  intros H0. induction T as [|T [h [H1 H2]]]; [exists []; auto|].
  destruct (played_step phi0 h H2) as [p Hp]. exists (p :: h). simpl. auto.
Qed.

Definition deep := list_max (map (fun r : prow move => Z.abs_nat (snd (fst (snd r)))) rows).
Lemma here_deep j lev c p z r : In (j, lev, c, (p, z, r)) rows -> (- Z.of_nat deep <= z)%Z.
Proof.
  intros H. unfold deep. pose proof (list_max_le (map (fun r : prow move => Z.abs_nat (snd (fst (snd r)))) rows) deep) as [L _].
  specialize (L (le_n _)). rewrite Forall_forall in L.
  assert (Z.abs_nat z <= deep) by (apply L, in_map_iff; exists (j, lev, c, (p, z, r)); auto). fold deep. lia.
Qed.

(* what every history that the adversary made says: its policy's cost against a schedule's *)
Lemma played_bounds phi0 h P' Q' add : played phi0 h ->
  (forall b m, layered l n 0 (rev b) -> schedule k [] (rev b) m -> Q' * paid alg b <= P' * m + add) ->
  exists base, let M := misses (imitation k alg) h in
  Q' * M <= P' * base + (P' * k + add + Q' * k) /\ (P * Z.of_nat base <= Q * Z.of_nat M + (phi0 + Z.of_nat deep))%Z /\
  length h <= (most + 1) * (M + base) + most.
Proof.
  intros [g [lev [c [p [here [r [base [Hin [Hlay [Hg [Hsame [Hopt [Hpot Hrank]]]]]]]]]]]]] Hall.
  destruct parts as [_ [_ [_ [HkN _]]]]. exists base. cbv zeta. split; [|split; [|lia]].
  - destruct (Hopt (seq 0 k)) as [d [m [R1 R2]]]; [apply seq_NoDup|apply seq_length|intros x Hx; apply in_seq in Hx; lia|].
    pose proof (work_le k lev (seq 0 k)) as W. rewrite seq_length in W.
    apply runs_schedule in R1. specialize (Hall h m Hlay R1). pose proof (imitation_pays k alg alg_ok h) as I.
    assert (Q' * misses (imitation k alg) h <= Q' * (paid alg h + k)) by (apply Nat.mul_le_mono_l; lia).
    assert (P' * m <= P' * (base + k)) by (apply Nat.mul_le_mono_l; lia).
    rewrite Nat.mul_add_distr_l in H, H0. lia.
  - pose proof (here_deep _ _ _ _ _ _ Hin). lia.
Qed.
End Sound.
End GameLower.

Theorem check_lower_sound l n k P Q rows asked :
  check_lower l n k (Z.of_nat P) (Z.of_nat Q) rows asked = true -> every_policy l n k P Q.
Proof.
  intros Hc alg Halg P' Q' [add Hall].
  destruct (le_lt_dec (Q' * P) (P' * Q)) as [|Hlt]; auto. exfalso.
  destruct (played_start l n k _ _ rows asked Hc alg) as [phi0 H0].
  pose proof (played_all l n k _ _ rows asked Hc alg Halg phi0 H0) as HT.
  set (K1 := P' * k + add + Q' * k). set (K2 := Z.to_nat (Z.abs (phi0 + Z.of_nat (deep rows)))).
  set (K3 := Q * K1 + Q' * K2). set (K4 := P' * K3 + K1).
  destruct (HT (S ((most rows + 1) * (K4 + K3) + most rows))) as [h [Hlen Hp]].
  destruct (played_bounds l n k _ _ rows asked Hc alg Halg phi0 h P' Q' add Hp Hall) as [base [B1 [B2 B3]]].
  fold K1 in B1. set (M := misses (imitation k alg) h) in *.
  assert (B2' : P * base <= Q * M + K2) by (unfold K2; lia).
  assert (Hb : base <= K3).
  { assert (A1 : Q' * (P * base) <= Q' * (Q * M + K2)) by (apply Nat.mul_le_mono_l; exact B2').
    assert (A2 : Q * (Q' * M) <= Q * (P' * base + K1)) by (apply Nat.mul_le_mono_l; exact B1).
    assert (A3 : (P' * Q + 1) * base <= (Q' * P) * base) by (apply Nat.mul_le_mono_r; lia).
    unfold K3. replace (Q' * (Q * M + K2)) with (Q * (Q' * M) + Q' * K2) in A1 by ring.
    replace (Q * (P' * base + K1)) with (P' * Q * base + Q * K1) in A2 by ring.
    replace (Q' * (P * base)) with (Q' * P * base) in A1 by ring. rewrite Nat.mul_add_distr_r in A3. lia. }
  assert (HM : M <= K4).
  { assert (1 <= Q') by (destruct Q'; [simpl in Hlt; lia|lia]).
    assert (1 * M <= Q' * M) by (apply Nat.mul_le_mono_r; auto).
    assert (P' * base <= P' * K3) by (apply Nat.mul_le_mono_l; auto). unfold K4. lia. }
  assert ((most rows + 1) * (M + base) <= (most rows + 1) * (K4 + K3)) by (apply Nat.mul_le_mono_l; lia).
  lia.
Qed.
