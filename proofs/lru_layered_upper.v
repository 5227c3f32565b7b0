(* LRU in the layered model: a ratio of at most 2 (k - l) + 1 for k >= l + 1, for all l, n, k.
   A potential compares LRU with a lazy schedule.  The window W holds the pages of the last l requests, the next layer's
   first; E is the rest of LRU's cache, newest first; a = k - l; C is the cache of the schedule. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Laziness Online Layers.
Import ListNotations.

(* What C has of the layer of a page w of the window: MM, MN: w itself (good), with or without another page;
   Mb, Me: not w (bad), but another page, or none. *)
Inductive mark := MM | MN | Mb | Me.
Definition is_bad (x : mark) : bool := match x with Mb | Me => true | _ => false end.
Definition bad (s : list mark) : bool := existsb is_bad s.
Fixpoint nM (s : list mark) : nat := match s with [] => 0 | MM :: r => S (nM r) | _ :: r => nM r end.
Fixpoint nb (s : list mark) : nat := match s with [] => 0 | Mb :: r => S (nb r) | _ :: r => nb r end.
Fixpoint ne (s : list mark) : nat := match s with [] => 0 | Me :: r => S (ne r) | _ :: r => ne r end.
(* the largest surplus of MM over Me in a prefix, up to the last bad mark *)
Fixpoint surplus (s : list mark) : nat :=
  match s with
  | [] => 0
  | MM :: r => if bad r then S (surplus r) else 0
  | Me :: r => pred (surplus r)
  | _ :: r => surplus r
  end.

Lemma bad_app s r : bad (s ++ r) = bad s || bad r.
Proof. apply existsb_app. Qed.
Lemma not_bad s : bad s = false -> nb s = 0 /\ ne s = 0 /\ surplus s = 0.
Proof.
  induction s as [|[| | |] s IH]; simpl; auto; try discriminate.
  intros H. rewrite H. tauto.
Qed.
Lemma surplus_app s r : bad r = false -> surplus (s ++ r) = surplus s.
Proof.
  intros H. induction s as [|[| | |] s IH]; simpl; auto.
  - apply not_bad; auto.
  - rewrite bad_app, H, orb_false_r, IH. auto.
Qed.
Lemma nb_app s r : nb (s ++ r) = nb s + nb r.
Proof. induction s as [|[| | |] s IH]; simpl; auto. Qed.
Lemma ne_app s r : ne (s ++ r) = ne s + ne r.
Proof. induction s as [|[| | |] s IH]; simpl; auto. Qed.
Lemma nM_app s r : nM (s ++ r) = nM s + nM r.
Proof. induction s as [|[| | |] s IH]; simpl; auto. Qed.

(* a mark in the middle gets bad *)
Lemma surplus_inside s x y r : bad r = true -> is_bad x = false -> is_bad y = true ->
  surplus (s ++ y :: r) <= surplus (s ++ x :: r).
Proof.
  intros Hr Hx Hy. induction s as [|z s IH]; simpl.
  - rewrite Hr. destruct x, y; try discriminate; lia.
  - assert (B : bad (s ++ y :: r) = bad (s ++ x :: r)).
    { rewrite !bad_app. simpl. rewrite Hr, !orb_true_r. auto. }
    rewrite B. destruct z; auto; [destruct (bad (s ++ x :: r)); lia|lia].
Qed.
Lemma surplus_end s y r : bad r = false -> is_bad y = true ->
  surplus (s ++ y :: r) <= Nat.max (surplus s) (nM s - ne s).
Proof.
  intros Hr Hy. destruct (not_bad r Hr) as [_ [_ R]]. induction s as [|z s IH]; cbn [app surplus nM ne].
  - destruct y; try discriminate; rewrite R; simpl; lia.
  - assert (B : bad (s ++ y :: r) = true) by (rewrite bad_app; simpl; rewrite Hy, orb_true_r; auto).
    rewrite B. destruct z; cbn [surplus nM ne]; [|lia|lia|lia]. destruct (bad s) eqn:E; [lia|].
    destruct (not_bad s E) as [_ [N S]]. lia.
Qed.

Section Potential.
Variable f : nat -> nat.    (* the layer of a page *)
Definition twin (C : cache) (w : nat) : bool := existsb (fun x => (f x =? f w) && negb (x =? w)) C.
Definition state (C : cache) (w : nat) : mark :=
  if mem w C then if twin C w then MM else MN else if twin C w then Mb else Me.
Definition marks (C : cache) (W : list nat) : list mark := map (state C) W.
(* the length of E from its first page that is not in C *)
Fixpoint depth (C : cache) (E : list nat) : nat :=
  match E with [] => 0 | x :: r => if mem x C then depth C r else length (x :: r) end.

Lemma twin_iff C w : twin C w = true <-> exists x, In x C /\ f x = f w /\ x <> w.
Proof.
  unfold twin. rewrite existsb_exists. split; intros [x [H1 H2]]; exists x; split; auto.
  - apply andb_true_iff in H2. destruct H2 as [H2 H3]. apply Nat.eqb_eq in H2. apply negb_true_iff, Nat.eqb_neq in H3. auto.
  - destruct H2 as [H2 H3]. apply andb_true_iff. split; [now apply Nat.eqb_eq|]. now apply negb_true_iff, Nat.eqb_neq.
Qed.
Lemma state_same C C' w : (forall x, f x = f w -> (In x C <-> In x C')) -> state C w = state C' w.
Proof.
  intros H. unfold state. replace (mem w C') with (mem w C).
  - replace (twin C' w) with (twin C w); auto. apply eq_true_iff_eq. rewrite !twin_iff.
    split; intros [x [H1 [H2 H3]]]; exists x; repeat split; auto; apply H; auto.
  - apply eq_true_iff_eq. rewrite !mem_In. auto.
Qed.
Lemma marks_same C C' W : (forall w x, In w W -> f x = f w -> (In x C <-> In x C')) -> marks C W = marks C' W.
Proof. intros H. apply map_ext_in. intros w Hw. apply state_same. intros x. apply H; auto. Qed.
Lemma state_bad C w : is_bad (state C w) = negb (mem w C).
Proof. unfold state. destruct (mem w C), (twin C w); auto. Qed.
Lemma depth_le C E : depth C E <= length E.
Proof. induction E as [|x E IH]; simpl; auto. destruct (mem x C); lia. Qed.

(* counting: the pages of C in the layers of the window *)
Definition weight (x : mark) : nat := match x with MM => 2 | MN => 1 | Mb => 1 | Me => 0 end.
Lemma weight_layer C w : NoDup C -> weight (state C w) <= length (filter (fun x => f x =? f w) C).
Proof.
  intros HC. assert (T : twin C w = true -> exists x, In x (filter (fun x => f x =? f w) C) /\ x <> w).
  { intros H. apply twin_iff in H. destruct H as [x [H1 [H2 H3]]]. exists x. split; auto.
    apply filter_In. split; auto. now apply Nat.eqb_eq. }
  assert (M : mem w C = true -> In w (filter (fun x => f x =? f w) C)).
  { intros H. apply mem_In in H. apply filter_In. split; auto. now apply Nat.eqb_eq. }
  pose proof (NoDup_filter (fun x => f x =? f w) HC) as D.
  assert (K : forall r, NoDup r -> incl r (filter (fun x => f x =? f w) C) ->
    length r <= length (filter (fun x => f x =? f w) C)) by (intros r; apply NoDup_incl_length).
  unfold state. destruct (mem w C) eqn:E1, (twin C w) eqn:E2; simpl weight; try lia.
  - destruct (T eq_refl) as [x [X1 X2]]. specialize (M eq_refl).
    apply (K [w; x]); [constructor; [intros [?|[]]; congruence|constructor; [intros []|constructor]]|].
    intros y [<-|[<-|[]]]; auto.
  - apply (K [w]); [constructor; [intros []|constructor]|]. intros y [<-|[]]; auto.
  - destruct (T eq_refl) as [x [X1 X2]]. apply (K [x]); [constructor; [intros []|constructor]|]. intros y [<-|[]]; auto.
Qed.
Lemma weights_le W : NoDup (map f W) -> forall C, NoDup C -> list_sum (map weight (marks C W)) <= length C.
Proof.
  induction W as [|w W IH]; simpl; intros HW C HC; [lia|]. inversion HW as [|u v H1 H2]; subst.
  pose proof (weight_layer C w HC) as L. pose proof (filter_split (fun x => f x =? f w) C) as S.
  specialize (IH H2 (filter (fun x => negb (f x =? f w)) C) (NoDup_filter _ HC)).
  replace (marks C W) with (marks (filter (fun x => negb (f x =? f w)) C) W); [lia|].
  apply marks_same. intros w' x Hw' Hx. rewrite filter_In, negb_true_iff, Nat.eqb_neq. split; [tauto|].
  intros H. split; auto. intros E. apply H1. rewrite <- E, Hx. apply in_map; auto.
Qed.
(* few marks MM *)
Lemma few_MM W C : NoDup (map f W) -> NoDup C -> nM (marks C W) + length W <= length C + ne (marks C W).
Proof.
  intros HW HC. pose proof (weights_le W HW C HC) as H.
  assert (E : forall s, list_sum (map weight s) + ne s = nM s + length s).
  { induction s as [|[| | |] s IH]; simpl; auto; lia. }
  specialize (E (marks C W)). unfold marks in E at 4. rewrite map_length in E. lia.
Qed.

Lemma apart W w : NoDup (map f (w :: W)) -> forall u, In u W -> f u <> f w.
Proof. intros H u Hu E. inversion H as [|x y H1 H2]; subst. apply H1. rewrite <- E. apply in_map; auto. Qed.

Variable a : nat.
Hypothesis a_pos : 1 <= a.
Definition V (C : cache) (W E : list nat) : nat :=
  if bad (marks C W) then a + nb (marks C W) + surplus (marks C W) else depth C E.

(* the schedule evicts x *)
Lemma evict C W E x : NoDup (map f W) -> NoDup C -> length C <= length W + a -> length E <= a -> In x C ->
  let C' := remove Nat.eq_dec x C in
  V C' W E <= V C W E + a \/
  bad (marks C' W) = true /\ V C' W E <= 2 * a /\
    (forall q W', W = q :: W' -> state C' q = Me -> V C' W E <= a).
Proof.
  intros HW HC Hl HE Hx C'.
  assert (HC' : NoDup C') by (apply NoDup_remove_eq; auto).
  assert (Hl' : S (length C') <= length W + a) by (unfold C'; rewrite length_remove; auto).
  assert (In' : forall y, In y C' <-> In y C /\ y <> x).
  { intros y. unfold C'. split; intros H; [apply in_remove in H; tauto|apply in_in_remove; tauto]. }
  destruct (in_dec Nat.eq_dec x W) as [Hw|Hw].
  - (* a page of the window *)
    apply in_split in Hw. destruct Hw as [U [Z ->]].
    assert (Out : forall w, In w (U ++ Z) -> f w <> f x).
    { intros w Hw. rewrite map_app in HW. simpl in HW. apply NoDup_remove_2 in HW. intros F. apply HW.
      rewrite <- map_app, <- F. apply in_map; auto. }
    assert (SU : marks C' U = marks C U).
    { apply marks_same. intros w y Hu Hy. rewrite In'. split; [tauto|]. intros H. split; auto. intros ->.
      apply (Out w); auto. apply in_or_app; auto. }
    assert (SZ : marks C' Z = marks C Z).
    { apply marks_same. intros w y Hu Hy. rewrite In'. split; [tauto|]. intros H. split; auto. intros ->.
      apply (Out w); auto. apply in_or_app; auto. }
    assert (X1 : is_bad (state C x) = false) by (rewrite state_bad; apply mem_In in Hx; rewrite Hx; auto).
    assert (X2 : is_bad (state C' x) = true).
    { rewrite state_bad. destruct (mem x C') eqn:E1; auto. apply mem_In, In' in E1. tauto. }
    pose proof (few_MM (U ++ x :: Z) C' HW HC') as F. unfold V. unfold marks in *. rewrite !map_app in *. simpl map in *.
    rewrite SU, SZ in *. set (s := map (state C) U) in *. set (r := map (state C) Z) in *.
    rewrite nM_app, ne_app in F.
    assert (B' : bad (s ++ state C' x :: r) = true) by (rewrite bad_app; simpl; rewrite X2, orb_true_r; auto).
    rewrite B', !nb_app. destruct (bad r) eqn:Br.
    + left. assert (B : bad (s ++ state C x :: r) = true) by (rewrite bad_app; simpl; rewrite Br, !orb_true_r; auto).
      rewrite B. pose proof (surplus_inside s (state C x) (state C' x) r Br X1 X2) as Sp.
      assert (nb (state C' x :: r) <= 1 + nb (state C x :: r)) by (destruct (state C' x), (state C x); simpl; lia). lia.
    + destruct (not_bad r Br) as [R1 [R2 R3]]. pose proof (surplus_end s (state C' x) r Br X2) as Sp.
      assert (N1 : nb (state C' x :: r) + ne (state C' x :: r) = 1)
        by (destruct (state C' x); try discriminate X2; simpl; lia).
      assert (N2 : nM (state C' x :: r) = nM r) by (destruct (state C' x); try discriminate X2; auto).
      assert (Sx : surplus (s ++ state C x :: r) = surplus s).
      { apply surplus_app. simpl. rewrite X1, Br. auto. }
      destruct (bad s) eqn:Bs.
      * left. rewrite bad_app, Bs. simpl orb. rewrite Sx. cbn iota. lia.
      * right. destruct (not_bad s Bs) as [S1 [S2 S3]]. split; auto. split; [lia|].
        intros q W' Eq Em. destruct U as [|u U].
        -- simpl in Eq. injection Eq as -> <-. subst s. simpl in *. rewrite Em in *. simpl in *. lia.
        -- exfalso. simpl in Eq. injection Eq as -> <-. subst s. simpl in Bs. apply orb_false_iff in Bs. destruct Bs as [Bs _].
           rewrite <- (state_same C' C) in Bs; [rewrite Em in Bs; discriminate|].
           intros y Hy. rewrite In'. split; [tauto|]. intros H. split; auto. intros ->.
           apply (Out q); [left; auto|congruence].
  - (* another page *)
    left. unfold V.
    assert (Hs : forall w, In w W -> state C' w = state C w \/ (state C w = MM /\ state C' w = MN) \/ (state C w = Mb /\ state C' w = Me)).
    { intros w Hin. assert (Em : mem w C' = mem w C).
      { apply eq_true_iff_eq. rewrite !mem_In, In'. split; [tauto|]. intros H. split; auto. intros ->. tauto. }
      assert (Et : twin C' w = true -> twin C w = true).
      { rewrite !twin_iff. intros [y [Y1 Y2]]. exists y. split; auto. apply In' in Y1. tauto. }
      unfold state. rewrite Em. destruct (mem w C), (twin C' w), (twin C w); auto; discriminate (Et eq_refl). }
    assert (Hm : bad (marks C' W) = bad (marks C W) /\ nb (marks C' W) <= nb (marks C W) /\
                 surplus (marks C' W) <= surplus (marks C W)).
    { clear - Hs. induction W as [|w W IH]; simpl; auto.
      destruct (IH ltac:(intros u Hu; apply Hs; right; auto)) as [I1 [I2 I3]]. rewrite I1.
      destruct (Hs w (or_introl eq_refl)) as [->|[[-> ->]|[-> ->]]].
      - split; auto. split; [destruct (state C w); lia|]. destruct (state C w), (bad (marks C W)); lia.
      - simpl. split; auto. split; [lia|]. destruct (bad (marks C W)) eqn:B; [lia|]. destruct (not_bad _ I1). lia.
      - simpl. split; auto. lia. }
    destruct Hm as [M1 [M2 M3]]. rewrite M1. destruct (bad (marks C W)); [lia|].
    pose proof (depth_le C' E). lia.
Qed.

(* the schedule loads p, of the layer of the first page of the window *)
Lemma load C q W E p : NoDup (map f (q :: W)) -> length E <= a -> ~ In p C -> f p = f q ->
  V (p :: C) (q :: W) E <= V C (q :: W) E + (if bad (marks C (q :: W)) then match state C q with Me => 2 | _ => 1 end else 0).
Proof.
  intros HW HE Hp Hf.
  assert (SW : marks (p :: C) W = marks C W).
  { apply marks_same. intros w x Hw Hx. simpl. split; [intros [<-|H]; auto|auto].
    exfalso. apply (apart W q HW w Hw). congruence. }
  assert (De : depth (p :: C) E <= depth C E).
  { induction E as [|x E IH]; simpl; auto. simpl in HE. specialize (IH ltac:(lia)).
    destruct (mem x C) eqn:M1.
    - apply mem_In in M1. replace (mem x (p :: C)) with true; auto. symmetry. apply mem_In. right; auto.
    - destruct (mem x (p :: C)); [|lia]. pose proof (depth_le (p :: C) E). lia. }
  pose proof (depth_le (p :: C) E) as Dl.
  unfold V. simpl marks. rewrite SW. set (s := marks C W).
  assert (Et : p <> q -> mem q (p :: C) = mem q C /\ twin (p :: C) q = true).
  { intros N. split.
    - apply eq_true_iff_eq. rewrite !mem_In. simpl. split; [intros [?|?]; [congruence|auto]|auto].
    - apply twin_iff. exists p. split; [left; auto|auto]. }
  destruct (Nat.eq_dec p q) as [->|N].
  - assert (S1 : mem q (q :: C) = true) by (apply mem_In; left; auto).
    assert (S2 : twin (q :: C) q = twin C q).
    { apply eq_true_iff_eq. rewrite !twin_iff. split; intros [x [X1 [X2 X3]]]; exists x; split; auto;
        [destruct X1; [congruence|auto]|right; auto]. }
    assert (S3 : mem q C = false) by (apply not_true_iff_false; rewrite mem_In; auto).
    unfold state. rewrite S1, S2, S3. destruct (twin C q); simpl.
    + destruct (bad s) eqn:B; lia.
    + destruct (bad s) eqn:B; lia.
  - destruct (Et N) as [E1 E2]. unfold state. rewrite E1, E2. destruct (mem q C), (twin C q); simpl; try lia.
    + destruct (bad s); lia.
    + destruct (bad s); lia.
Qed.

(* LRU serves p *)
Lemma serve C q W R p : NoDup (map f (q :: W)) -> NoDup C -> length C <= S (length W) + a -> NoDup R -> a <= length R ->
  (forall x, In x (q :: W) -> ~ In x R) -> In p C -> ~ In p W -> f p = f q ->
  (if mem p (q :: W ++ firstn a R) then 0 else 1) + V C (W ++ [p]) (firstn a (remove Nat.eq_dec p (q :: R))) <=
  V C (q :: W) (firstn a R).
Proof.
  intros HW HC Hl HR Ha Hd Hp Hpw Hf.
  assert (Pg : is_bad (state C p) = false) by (rewrite state_bad; apply mem_In in Hp; rewrite Hp; auto).
  assert (Bp : bad [state C p] = false) by (simpl; rewrite Pg; auto).
  assert (V2 : forall E, V C (W ++ [p]) E = if bad (marks C W) then a + nb (marks C W) + surplus (marks C W) else depth C E).
  { intros E. unfold V, marks. rewrite map_app. simpl map. rewrite bad_app, nb_app, (surplus_app _ _ Bp), Bp, orb_false_r.
    replace (nb [state C p]) with 0 by (destruct (state C p); try discriminate Pg; auto). rewrite Nat.add_0_r. auto. }
  rewrite V2. unfold V. cbn [marks map bad existsb nb surplus]. fold (marks C W). set (s := marks C W).
  change (existsb is_bad s) with (bad s).
  pose proof (not_bad s) as NB.
  destruct (Nat.eq_dec p q) as [->|N].
  { (* a repeated request *)
    replace (mem q (q :: W ++ firstn a R)) with true by (symmetry; apply mem_In; left; auto).
    simpl remove. destruct (Nat.eq_dec q q) as [_|]; [|congruence].
    rewrite (notin_remove _ R q) by (apply Hd; left; auto). rewrite Pg. simpl orb. cbn [plus].
    destruct (bad s) eqn:B; [|lia]. destruct (state C q); try discriminate Pg; lia. }
  assert (Tw : twin C q = true) by (apply twin_iff; exists p; auto).
  assert (Miss : (if mem p (q :: W ++ firstn a R) then 0 else 1) <= 1) by (destruct (mem p (q :: W ++ firstn a R)); lia).
  simpl remove. destruct (Nat.eq_dec p q) as [|_]; [congruence|].
  assert (Sq : state C q = if mem q C then MM else Mb) by (unfold state; rewrite Tw; auto).
  rewrite Sq. destruct (mem q C) eqn:Mq; cbn [is_bad orb].
  - destruct (bad s) eqn:B; [lia|]. cbn [orb].
    (* everything good: the depth in E *)
    assert (Hmem : mem p (q :: W ++ firstn a R) = mem p (firstn a R)).
    { apply eq_true_iff_eq. rewrite !mem_In. simpl In. rewrite in_app_iff. split; [intros [?|[?|?]]; [congruence|tauto|auto]|auto]. }
    rewrite Hmem. replace (depth C (firstn a (q :: remove Nat.eq_dec p R))) with (depth C (firstn (a - 1) (remove Nat.eq_dec p R)))
      by (replace a with (S (a - 1)) at 2 by lia; simpl; rewrite Mq; auto).
    clear V2 Miss Hmem Sq. replace a with (S (a - 1)) in Hl, Ha |- * by lia. revert Hl Ha. generalize (a - 1). intros b Hl Ha.
    replace (S b - 1) with b by lia.
    destruct (mem p (firstn (S b) R)) eqn:Mp.
    + (* a hit *)
      cbn [plus]. apply mem_In in Mp. clear - Mp Hp HR. revert Mp. generalize b. clear b.
      induction HR as [|x R Hx HR IH]; intros b Mp; [destruct b; inversion Mp|]. cbn [firstn] in *. simpl remove.
      destruct (Nat.eq_dec p x) as [<-|Nx].
      * rewrite notin_remove by auto. simpl. apply mem_In in Hp. rewrite Hp. lia.
      * destruct Mp as [Mp|Mp]; [congruence|]. destruct b as [|b]; [inversion Mp|].
        specialize (IH b Mp). cbn [depth firstn]. destruct (mem x C); [exact IH|].
        cbn [length]. rewrite !firstn_length. assert (L : S (length (remove Nat.eq_dec p R)) = length R).
        { apply length_remove; auto. rewrite <- (firstn_skipn (S b) R). apply in_or_app. auto. }
        destruct R as [|y R]; [discriminate L|]. cbn [length firstn]. rewrite firstn_length. cbn [length] in L. lia.
    + (* a miss *)
      assert (Mp' : ~ In p (firstn (S b) R)) by (rewrite <- mem_In; congruence).
      assert (Eq : firstn b (remove Nat.eq_dec p R) = firstn b R).
      { clear - Mp'. revert R Mp'. induction b; intros [|x R] H; auto. simpl in H. simpl remove.
        destruct (Nat.eq_dec p x) as [->|]; [tauto|]. cbn [firstn]. f_equal. apply IHb. simpl. tauto. }
      rewrite Eq.
      (* a page of E is not in C *)
      assert (Hex : exists x, In x (firstn (S b) R) /\ mem x C = false).
      { destruct (minus (firstn (S b) R) C) as [|x r] eqn:Em.
        - exfalso. assert (Hi : incl (p :: (q :: W) ++ firstn (S b) R) C).
          { intros x [<-|Hx]; auto. apply in_app_or in Hx. destruct Hx as [[<-|Hx]|Hx].
            - apply mem_In; auto.
            - assert (Bx : is_bad (state C x) = false).
              { destruct (is_bad (state C x)) eqn:Bx; auto. exfalso. assert (bad s = true); [|congruence].
                apply existsb_exists. exists (state C x). split; auto. apply in_map; auto. }
              rewrite state_bad in Bx. apply negb_false_iff, mem_In in Bx. auto.
            - destruct (in_dec Nat.eq_dec x C) as [|Nx]; auto. exfalso.
              assert (In x (minus (firstn (S b) R) C)) by (apply minus_In; auto). rewrite Em in H. inversion H. }
          apply NoDup_incl_length in Hi.
          + cbn [length] in Hi. rewrite app_length, firstn_length in Hi. cbn [length] in Hi. lia.
          + constructor.
            * rewrite in_app_iff. intros [[?|?]|?]; [congruence|tauto|tauto].
            * apply NoDup_app_; [apply NoDup_map_inv in HW; auto|apply NoDup_firstn_; auto|].
              intros x X1 X2. apply (Hd x X1). apply In_firstn in X2. auto.
        - exists x. assert (In x (minus (firstn (S b) R) C)) by (rewrite Em; left; auto). apply minus_In in H.
          split; [tauto|]. apply not_true_iff_false. rewrite mem_In. tauto. }
      clear - Hex Ha. revert R Hex Ha. induction b as [|b IH]; intros [|x R] [y [Y1 Y2]] Ha; try (simpl in Ha; lia).
      * simpl in *. destruct Y1 as [<-|[]]. rewrite Y2. lia.
      * cbn [firstn depth]. destruct (mem x C) eqn:Mx.
        -- destruct Y1 as [<-|Y1]; [congruence|]. apply IH; [exists y; auto|simpl in Ha; lia].
        -- destruct R as [|z R]; [simpl in Ha; lia|]. cbn [length firstn]. rewrite !firstn_length. cbn [length] in Ha. lia.
  - destruct (bad s) eqn:B; [lia|]. destruct (NB eq_refl) as [-> [_ ->]].
    pose proof (depth_le C (firstn a (q :: remove Nat.eq_dec p R))) as D. rewrite firstn_length in D. lia.
Qed.
End Potential.

Section Upper.
Variables l n k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis l_lt_k : l < k.
Let a := k - l.
Notation lay := (layer n).
Definition value (C : cache) (h : list nat) : nat := V lay a C (rev (firstn l h)) (firstn a (older l h)).

Lemma value_small C h : value C h <= k.
Proof.
  unfold value, V. assert (B : forall s, nb s + surplus s <= length s).
  { assert (S1 : forall s, surplus s <= nM s).
    { induction s as [|[| | |] s IH]; simpl; auto; [destruct (bad s)|]; lia. }
    assert (S2 : forall s, nb s + nM s <= length s) by (induction s as [|[| | |] s IH]; simpl; lia).
    intros s. specialize (S1 s). specialize (S2 s). lia. }
  specialize (B (marks lay C (rev (firstn l h)))). unfold marks in B at 3.
  rewrite map_length, rev_length, firstn_length in B.
  pose proof (depth_le C (firstn a (older l h))) as D. rewrite firstn_length in D. unfold a in *.
  destruct (bad (marks lay C (rev (firstn l h)))); lia.
Qed.

Lemma step h p C o C' : backwards l n (p :: h) -> l <= length h -> a <= length (older l h) ->
  is_cache k C -> In (o, C') (lazy_answers k C p) ->
  (if mem p (lru k h) then 0 else 1) + value C' (p :: h) <= value C h + (2 * a + 1) * o.
Proof.
  intros Hb Hl Ha [HC1 HC2] Ho. assert (Hb' : backwards l n h) by apply Hb.
  destruct (window_step l n l_pos p h Hb Hl) as [q [W1 [W2 [W3 [W4 W5]]]]].
  set (W := rev (firstn (l - 1) h)). set (R := older l h) in *.
  assert (E1 : rev (firstn l h) = q :: W) by (rewrite W1, rev_app_distr; reflexivity).
  assert (E2 : rev (firstn l (p :: h)) = W ++ [p]) by (rewrite W3; reflexivity).
  assert (HW : NoDup (map lay (q :: W))).
  { rewrite <- E1, map_rev. apply NoDup_rev. apply window_layers; auto. }
  assert (LW : S (length W) = l) by (unfold W; rewrite rev_length, firstn_length; lia).
  assert (Pw : ~ In p W) by (unfold W; rewrite <- in_rev; auto).
  assert (Ap : forall x, In x (q :: W) -> ~ In x R).
  { intros x Hx. rewrite <- E1, <- in_rev in Hx. apply (older_apart l n); auto. }
  assert (Em : mem p (lru k h) = mem p (q :: W ++ firstn a R)).
  { rewrite (lru_window l n) by (auto; lia). apply eq_true_iff_eq. rewrite !mem_In.
    change (q :: W ++ firstn a R) with ((q :: W) ++ firstn a R). rewrite <- E1, !in_app_iff, <- in_rev. tauto. }
  assert (HR : NoDup R) by apply older_NoDup.
  assert (HE : length (firstn a R) <= a) by (rewrite firstn_length; lia).
  unfold value. rewrite E1, E2, W5, Em. fold R.
  assert (Ap1 : 1 <= a) by (unfold a; lia).
  assert (Sv : forall D, NoDup D -> length D <= k -> In p D ->
     (if mem p (q :: W ++ firstn a R) then 0 else 1) + V lay a D (W ++ [p]) (firstn a (remove Nat.eq_dec p (q :: R))) <=
     V lay a D (q :: W) (firstn a R)).
  { intros D D1 D2 D3. apply serve; auto. unfold a. lia. }
  unfold lazy_answers in Ho. destruct (mem p C) eqn:M.
  { apply mem_In in M. destruct Ho as [[= <- <-]|[]]. specialize (Sv C HC1 HC2 M). lia. }
  assert (Np : ~ In p C) by (rewrite <- mem_In; congruence).
  destruct (length C <? k) eqn:L.
  - apply Nat.ltb_lt in L. destruct Ho as [[= <- <-]|[]].
    specialize (Sv (p :: C) ltac:(constructor; auto) ltac:(simpl; lia) ltac:(left; auto)).
    pose proof (load lay a Ap1 C q W (firstn a R) p HW HE Np W2) as Ld.
    destruct (bad (marks lay C (q :: W))), (state lay C q); lia.
  - apply in_map_iff in Ho. destruct Ho as [x [[= <- <-] Hx]]. pose proof (length_remove x C HC1 Hx) as Lr.
    set (C0 := remove Nat.eq_dec x C) in *.
    assert (N0 : ~ In p C0) by (intros H; apply in_remove in H; tauto).
    specialize (Sv (p :: C0) ltac:(constructor; auto; apply NoDup_remove_eq; auto) ltac:(simpl; lia) ltac:(left; auto)).
    pose proof (load lay a Ap1 C0 q W (firstn a R) p HW HE N0 W2) as Ld.
    destruct (evict lay a Ap1 C (q :: W) (firstn a R) x HW HC1 ltac:(cbn [length]; unfold a; lia) HE Hx) as [Ev|[Ev1 [Ev2 Ev3]]].
    + fold C0 in Ev. destruct (bad (marks lay C0 (q :: W))), (state lay C0 q); lia.
    + fold C0 in Ev1, Ev2, Ev3. rewrite Ev1 in Ld. specialize (Ev3 q W eq_refl). destruct (state lay C0 q); try lia. specialize (Ev3 eq_refl). lia.
Qed.

Lemma answers_is_cache C p o C' : is_cache k C -> In (o, C') (lazy_answers k C p) -> is_cache k C'.
Proof.
  intros [H1 H2] H. unfold lazy_answers in H. destruct (mem p C) eqn:M.
  - destruct H as [[= <- <-]|[]]. split; auto.
  - assert (Np : ~ In p C) by (rewrite <- mem_In; congruence). destruct (length C <? k) eqn:L.
    + apply Nat.ltb_lt in L. destruct H as [[= <- <-]|[]]. split; [constructor; auto|simpl; lia].
    + apply in_map_iff in H. destruct H as [x [[= <- <-] Hx]]. pose proof (length_remove x C H1 Hx). split; [|simpl; lia].
      constructor; [intros H3; apply in_remove in H3; tauto|apply NoDup_remove_eq; auto].
Qed.

(* once LRU's cache is full *)
Lemma run_full s : forall h C m, backwards l n h -> k <= length (recency h) -> layered l n (length h) s ->
  is_cache k C -> lazy_schedule k C s m ->
  misses (lru k) (rev s ++ h) <= misses (lru k) h + value C h + (2 * a + 1) * m.
Proof.
  induction s as [|p s IH]; intros h C m Hb Hf Hs HC Hl; [simpl; lia|].
  inversion Hl as [|c p' s' o C' m' Ha Hr]; subst. destruct Hs as [S1 [S2 S3]].
  assert (Hb' : backwards l n (p :: h)) by (simpl; auto).
  pose proof (recency_length h) as Hlen.
  assert (Ho : a <= length (older l h)) by (unfold older, a; rewrite skipn_length; lia).
  pose proof (step h p C o C' Hb' ltac:(lia) Ho HC Ha) as St.
  pose proof (recency_grows p h) as G.
  specialize (IH (p :: h) C' m' Hb' ltac:(lia) S3 (answers_is_cache _ _ _ _ HC Ha) Hr).
  simpl rev. rewrite <- app_assoc. simpl app. cbn [misses] in IH. rewrite Nat.mul_add_distr_l. lia.
Qed.

Lemma run s : forall h C m, backwards l n h -> length (recency h) <= k -> layered l n (length h) s ->
  is_cache k C -> lazy_schedule k C s m -> misses (lru k) h <= length (recency h) ->
  misses (lru k) (rev s ++ h) <= (2 * a + 1) * m + 2 * k.
Proof.
  induction s as [|p s IH]; intros h C m Hb Hf Hs HC Hl Hm; [simpl; lia|].
  destruct (le_lt_dec k (length (recency h))) as [Hk|Hk].
  - pose proof (run_full (p :: s) h C m Hb Hk Hs HC Hl). pose proof (value_small C h). lia.
  - inversion Hl as [|c p' s' o C' m' Ha Hr]; subst. destruct Hs as [S1 [S2 S3]]. pose proof (recency_grows p h) as G.
    specialize (IH (p :: h) C' m'). simpl rev. rewrite <- app_assoc. simpl app.
    rewrite Nat.mul_add_distr_l. apply Nat.le_trans with ((2 * a + 1) * m' + 2 * k); [|lia]. apply IH; auto; [simpl; auto|lia| |].
    + apply (answers_is_cache C p o); auto.
    + cbn [misses]. unfold lru at 1. rewrite firstn_all2 by lia. simpl recency. simpl length. destruct (mem p (recency h)) eqn:M.
      * apply mem_In in M. pose proof (length_remove p _ (recency_NoDup h) M). lia.
      * rewrite notin_remove; [lia|]. rewrite <- mem_In. congruence.
Qed.
End Upper.

Theorem lru_layered_upper : forall l n k, 1 <= l -> l < k -> forall h m, layered l n 0 (rev h) -> schedule k [] (rev h) m ->
  misses (lru k) h <= (2 * (k - l) + 1) * m + 2 * k.
Proof.
  intros l n k H1 H2 h m Hb Hs. destruct (lazy_optimal k _ _ Hs) as [m' [L1 L2]].
  pose proof (run l n k H1 H2 (rev h) [] [] m') as R. rewrite rev_involutive, app_nil_r in R.
  apply Nat.le_trans with ((2 * (k - l) + 1) * m' + 2 * k); [|apply Nat.add_le_mono_r, Nat.mul_le_mono_l; auto].
  apply R; simpl; auto; try lia. split; [constructor|simpl; lia].
Qed.
