(* MARK-FAR has a ratio of exactly k - l + 1 where all pages but one fit: k + 1 = l n, n >= 2.
   Above: a phase begins with a miss of its first page, and a page of the same layer goes.  So the next l - 1 requests are
   hits that mark a page each; every later miss marks one too.  Below: no online algorithm has less. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Machine Phases Renamed Policies.
From LP Require Import deterministic_lower.
Import ListNotations.

Definition pages (s : state) : list nat := map fst s.

Lemma has_pages p s : has p s = true <-> In p (pages s).
Proof.
  unfold has, pages. rewrite existsb_exists, in_map_iff. split; intros [e [H1 H2]]; exists e.
  - apply Nat.eqb_eq in H2. auto.
  - split; auto. now apply Nat.eqb_eq.
Qed.
Lemma drop_in p s e : In e (drop p s) <-> In e s /\ fst e <> p.
Proof. unfold drop. rewrite filter_In, negb_true_iff, Nat.eqb_neq. tauto. Qed.
Lemma pages_drop p s q : In q (pages (drop p s)) <-> In q (pages s) /\ q <> p.
Proof.
  unfold pages. rewrite !in_map_iff. split.
  - intros [e [<- H]]. apply drop_in in H. split; [exists e; tauto|tauto].
  - intros [[e [<- H]] N]. exists e. split; auto. apply drop_in. auto.
Qed.
Lemma drop_NoDup p s : NoDup (pages s) -> NoDup (pages (drop p s)).
Proof.
  unfold pages, drop. induction s as [|e s IH]; simpl; intros H; [constructor|]. inversion H; subst.
  destruct (fst e =? p); simpl; auto. constructor; auto. intros H1. apply (pages_drop p s) in H1. unfold pages in H1. tauto.
Qed.
Lemma drop_length p s : NoDup (pages s) -> In p (pages s) -> S (length (drop p s)) = length s.
Proof.
  intros H1 H2. unfold pages, drop in *. induction s as [|e s IH]; simpl in *; [tauto|]. inversion H1; subst.
  destruct (Nat.eqb_spec (fst e) p) as [E|N]; simpl.
  - f_equal. rewrite E in H3. clear - H3. induction s as [|x s IH]; simpl in *; auto.
    destruct (Nat.eqb_spec (fst x) p); [exfalso; apply H3; auto|simpl; f_equal; apply IH; tauto].
  - f_equal. apply IH; auto. destruct H2; [congruence|auto].
Qed.
Lemma note_pages g s : pages (note g s) = pages s.
Proof. unfold pages, note. rewrite map_map. reflexivity. Qed.

Section MarkFar.
Variables l n k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis n_two : 2 <= n.
Hypothesis k_size : k + 1 = l * n.
Notation step := (mark_far_step l n k).

Lemma worst_ok key r : forall e, In (worst n key e r) (e :: r) /\
  forall x, In x (e :: r) -> key (layer n (fst x)) (snd x) <= key (layer n (fst (worst n key e r))) (snd (worst n key e r)).
Proof.
  unfold worst. induction r as [|b r IH]; intros e; cbn [fold_left].
  - split; [now left|]. intros x [->|[]]. auto.
  - destruct (Nat.leb_spec (key (layer n (fst e)) (snd e)) (key (layer n (fst b)) (snd b))) as [L|L].
    + destruct (IH b) as [I1 I2]. split; [right; auto|]. intros x [->|Hx]; auto. specialize (I2 b (or_introl eq_refl)). lia.
    + destruct (IH e) as [I1 I2]. split; [destruct I1; [left; auto|right; right; auto]|].
      intros x [->|[->|Hx]]; [apply I2; now left| |apply I2; now right]. specialize (I2 e (or_introl eq_refl)). lia.
Qed.
Lemma drop_worst_ok key s : s <> [] -> exists w, In w s /\ drop_worst n key s = drop (fst w) s /\
  forall x, In x s -> key (layer n (fst x)) (snd x) <= key (layer n (fst w)) (snd w).
Proof.
  destruct s as [|e r]; [congruence|]. intros _. destruct (worst_ok key r e) as [W1 W2].
  exists (worst n key e r). auto.
Qed.

(* what a step does, in every case *)
Definition sound (s : state) : Prop := NoDup (pages s) /\ length s <= k.
Lemma k_pos : 1 <= k. Proof. nia. Qed.
Lemma step_sound j s p : sound s -> let '(s', m) := step j s p in
  sound s' /\ In p (pages s') /\ incl (pages s') (p :: pages s) /\ (In p (pages s) -> m = 0) /\ (~ In p (pages s) -> m = 1) /\
  (In p (pages s) -> forall q, In q (pages s') <-> In q (pages s)).
Proof.
  pose proof k_pos as Hk. intros [H1 H2]. unfold mark_far_step. destruct (has p s) eqn:E.
  - apply has_pages in E. split; [split|].
    + simpl. constructor; [|now apply drop_NoDup]. intros H. apply pages_drop in H. tauto.
    + simpl. rewrite drop_length; auto.
    + assert (Q : forall q, In q (pages ((p, 1) :: drop p s)) <-> In q (pages s)).
      { intros q. simpl. rewrite pages_drop. destruct (Nat.eq_dec p q) as [->|]; [tauto|]. intuition. }
      split; [now left|]. split; [intros q Hq; right; now apply Q|]. split; [auto|]. split; [tauto|auto].
  - assert (Hn : ~ In p (pages s)) by (rewrite <- has_pages; congruence).
    destruct (Nat.ltb_spec (length s) k).
    + split; [split; [simpl; constructor; auto|simpl; lia]|]. split; [now left|]. split; [intros q Hq; exact Hq|]. tauto.
    + set (s0 := if forallb (fun e => snd e =? 1) s then note (fun _ => 0) s else s).
      assert (P0 : pages s0 = pages s) by (unfold s0; destruct (forallb _ s); [apply note_pages|auto]).
      assert (L0 : length s0 = length s) by (rewrite <- (map_length fst s0), <- (map_length fst s); unfold pages in P0; now rewrite P0).
      assert (Hne : s0 <> []) by (intros Z; rewrite Z in L0; simpl in L0; lia).
      destruct (drop_worst_ok (fun i m => if m =? 1 then 0 else ahead l l j i) s0 Hne) as [w [W1 [W2 _]]].
      assert (Wp : In (fst w) (pages s0)) by (now apply in_map).
      rewrite W2. split; [split|].
      * simpl. constructor; [|apply drop_NoDup; now rewrite P0]. intros H0. apply pages_drop in H0. rewrite P0 in H0. tauto.
      * simpl. rewrite drop_length; [lia|now rewrite P0|auto].
      * split; [now left|]. split; [|tauto]. intros q [Hq|Hq]; [left; auto|right]. apply pages_drop in Hq. now rewrite <- P0.
Qed.

(* the machine along histories *)
Fixpoint mf (h : list nat) : state := match h with [] => [] | p :: h' => fst (step (length h' mod l) (mf h') p) end.
Notation pay := (policy_cost l n k MarkFar).
Lemma mf_final h : final l state step 0 [] (rev h) = mf h.
Proof.
  induction h as [|p h IH]; [reflexivity|]. simpl rev. rewrite final_app, IH. simpl. now rewrite rev_length.
Qed.
Lemma pay_cons p h : pay (p :: h) = pay h + snd (step (length h mod l) (mf h) p).
Proof.
  unfold policy_cost. simpl rev. cbn [policy_step]. rewrite (cost_app l), mf_final. simpl. rewrite rev_length.
  destruct (step (length h mod l) (mf h) p). simpl. lia.
Qed.
Lemma mf_sound h : sound (mf h).
Proof.
  induction h as [|p h IH]; [split; [constructor|simpl; lia]|]. simpl.
  pose proof (step_sound (length h mod l) (mf h) p IH) as S. destruct (step _ _ p). apply S.
Qed.
Definition alg (h : list nat) : cache := pages (mf h).
Lemma alg_online : online alg k.
Proof.
  split.
  - intros h. unfold alg, pages. rewrite map_length. exact (proj2 (mf_sound h)).
  - intros p h. unfold alg. cbn [mf]. pose proof (step_sound (length h mod l) (mf h) p (mf_sound h)) as S.
    destruct (step (length h mod l) (mf h) p) as [s m]. destruct S as [_ [S _]]. exact S.
Qed.
Lemma alg_paid h : paid alg h <= pay h.
Proof.
  induction h as [|p h IH]; [simpl; lia|]. cbn [paid]. rewrite pay_cons.
  unfold alg at 1 2. cbn [mf]. pose proof (step_sound (length h mod l) (mf h) p (mf_sound h)) as S.
  destruct (step (length h mod l) (mf h) p) as [s m]. cbn [fst snd].
  destruct S as [[S1 _] [S2 [S3 [S4 [S5 _]]]]].
  assert (length (minus (pages s) (pages (mf h))) <= m); [|lia].
  destruct (in_dec Nat.eq_dec p (pages (mf h))) as [Hp|Hp].
  - destruct (minus (pages s) (pages (mf h))) as [|x r] eqn:E; [simpl; lia|]. exfalso.
    assert (Hx : In x (minus (pages s) (pages (mf h)))) by (rewrite E; now left). apply minus_In in Hx. destruct Hx as [X1 X2].
    apply S3 in X1. destruct X1 as [<-|X1]; tauto.
  - rewrite (S5 Hp). change 1 with (length [p]). apply NoDup_incl_length; [now apply minus_NoDup|].
    intros x Hx. apply minus_In in Hx. destruct Hx as [X1 X2]. apply S3 in X1. destruct X1 as [<-|X1]; [now left|tauto].
Qed.

(* ---- phases ---- *)
Lemma ahead_same j i : j < l -> i < l -> (ahead l l j i = l <-> i = j) /\ 1 <= ahead l l j i <= l.
Proof.
  intros Hj Hi. unfold ahead. destruct (le_lt_dec j i) as [L|L].
  - replace (i + l - j) with ((i - j) + 1 * l) by lia. rewrite Nat.mod_add, Nat.mod_small by lia.
    destruct (Nat.eqb_spec (i - j) 0); split; lia.
  - rewrite Nat.mod_small by lia. destruct (Nat.eqb_spec (i + l - j) 0); split; lia.
Qed.
Lemma mod_distinct t c : 1 <= c -> c < l -> c <= t -> (t - c) mod l <> t mod l.
Proof.
  intros H1 H2 H3 E. pose proof (Nat.div_mod t l ltac:(lia)) as A. pose proof (Nat.div_mod (t - c) l ltac:(lia)) as B.
  rewrite E in B. assert (C : l * (t / l) = l * ((t - c) / l) + c) by lia.
  assert (t / l <> (t - c) / l) by (intros F; rewrite F in C; lia).
  assert ((t - c) / l < t / l) by nia.
  assert (l * ((t - c) / l) + l * 1 <= l * (t / l)) by (rewrite <- Nat.mul_add_distr_l; apply Nat.mul_le_mono_l; lia).
  lia.
Qed.

(* all pages but one are there when the cache is full *)
Lemma all_but s p q : NoDup (pages s) -> length s = k -> (forall x, In x (pages s) -> x < l * n) -> p < l * n -> ~ In p (pages s) ->
  q < l * n -> q <> p -> In q (pages s).
Proof.
  intros H1 H2 H3 H4 H5 H6 H7.
  assert (I : incl (seq 0 (l * n)) (p :: pages s)).
  { apply NoDup_length_incl; [constructor; auto| |].
    - rewrite seq_length. simpl. unfold pages. rewrite map_length. lia.
    - intros x [<-|Hx]; apply in_seq; [lia|]. apply H3 in Hx. lia. }
  destruct (I q) as [->|Hq]; auto; [apply in_seq; lia|congruence].
Qed.

Definition marked (s : state) (q : nat) : Prop := In (q, 1) s.
Definition inv (h : list nat) : Prop := let s := mf h in let '(D, f, c) := phase k h in
  (forall q, In q (pages s) -> q < l * n) /\ (forall e, In e s -> snd e = 0 \/ snd e = 1) /\
  NoDup D /\ length D <= k /\ (forall q, marked s q <-> In q D) /\ c <= length h /\ length D <= c /\
  (forall q, In q D -> exists d, d < c /\ layer n q = (length h - c + d) mod l) /\
  match f with
  | 0 => pay h <= length D /\ length s = length D
  | S g => 1 <= c /\ length s = k /\ (exists M, pay h <= k + (k - l + 1) * g + M /\ M + Nat.min c l <= length D + 1) /\
      (c < l -> length D = c /\ forall q, q < l * n -> ~ In q (pages s) -> layer n q = (length h - c) mod l)
  end.

Lemma marked_pages s q : marked s q -> In q (pages s).
Proof. intros H. apply in_map_iff. exists (q, 1). auto. Qed.
Lemma full_marks s D : NoDup (pages s) -> length s <= k -> NoDup D -> (forall q, marked s q <-> In q D) -> k <= length D ->
  forall q, In q (pages s) -> In q D.
Proof.
  intros H1 H2 H3 H4 H5. assert (I : incl (pages s) D); [|exact I].
  apply NoDup_length_incl; auto; [unfold pages; rewrite map_length; lia|]. intros q Hq. apply marked_pages. now apply H4.
Qed.
Lemma unmarked_fewer s D : NoDup (pages s) -> length s <= k -> NoDup D -> (forall q, marked s q <-> In q D) ->
  forallb (fun e : nat * nat => snd e =? 1) s = false -> length D < k.
Proof.
  intros H1 H2 H3 H4 H5. destruct (le_lt_dec k (length D)) as [L|]; auto. exfalso.
  assert (E : forallb (fun e : nat * nat => snd e =? 1) s = true); [|congruence].
  apply forallb_forall. intros [q m] He.
  assert (Hq : In q D) by (apply (full_marks s D); auto; apply in_map_iff; exists (q, m); auto).
  apply H4 in Hq. unfold marked in Hq. apply Nat.eqb_eq. simpl.
  clear - H1 He Hq. unfold pages in H1. induction s as [|[x y] s IH]; [inversion He|]. simpl in H1. inversion H1; subst.
  destruct He as [He|He], Hq as [Hq|Hq]; try congruence.
  - injection He as -> ->. exfalso. apply H2. apply in_map_iff. exists (q, 1). auto.
  - injection Hq as -> ->. exfalso. apply H2. apply in_map_iff. exists (q, m). auto.
  - auto.
Qed.
Lemma all_marked s D : NoDup (pages s) -> NoDup D -> (forall q, marked s q <-> In q D) ->
  forallb (fun e : nat * nat => snd e =? 1) s = true -> length D = length s.
Proof.
  intros H1 H3 H4 H5. rewrite forallb_forall in H5. rewrite <- (map_length fst s). apply Nat.le_antisymm.
  - apply NoDup_incl_length; auto. intros q Hq. apply marked_pages. now apply H4.
  - apply NoDup_incl_length; auto. intros q Hq. apply in_map_iff in Hq. destruct Hq as [[x m] [<- He]].
    specialize (H5 _ He). apply Nat.eqb_eq in H5. simpl in *. subst. now apply H4.
Qed.

(* the marks after a hit, and after a miss in the same phase *)
Lemma marked_cons p q s : marked ((p, 1) :: s) q <-> q = p \/ marked s q.
Proof.
  unfold marked. simpl. split; (intros [H|H]; [left; congruence|now right]).
Qed.
Lemma marked_drop p q s : marked (drop p s) q <-> marked s q /\ q <> p.
Proof. unfold marked. rewrite drop_in. simpl. tauto. Qed.
Lemma note_01 s e : (forall e, In e s -> snd e = 0 \/ snd e = 1) -> In e (note (fun _ => 0) s) -> snd e = 0.
Proof. intros _ H. apply in_map_iff in H. destruct H as [x [<- _]]. reflexivity. Qed.

Lemma inv_step h p : layered l n 0 (rev (p :: h)) -> inv h -> inv (p :: h).
Proof.
  intros Hlay. assert (Hp : p < l * n /\ layer n p = length h mod l).
  { simpl rev in Hlay. assert (G : forall a t, layered l n t (a ++ [p]) -> p < l * n /\ layer n p = (t + length a) mod l).
    { induction a as [|x a IH]; simpl; intros t [H1 [H2 H3]]; [rewrite Nat.add_0_r; auto|].
      replace (t + S (length a)) with (S t + length a) by lia. auto. }
    specialize (G (rev h) 0 Hlay). now rewrite rev_length in G. }
  destruct Hp as [Hp Hpl]. pose proof k_pos as Hk. assert (Hkl : l <= k) by nia.
  pose proof (Nat.mod_upper_bound (length h) l ltac:(lia)) as Hj.
  unfold inv. cbn [phase mf length]. rewrite pay_cons. destruct (phase k h) as [[D f] c].
  intros [I1 [I2 [I3 [I4 [I5 [I6 [I7 [I8 I9]]]]]]]].
  pose proof (mf_sound h) as [S1 S2]. pose proof (step_sound (length h mod l) (mf h) p (conj S1 S2)) as ST.
  set (s := mf h) in *. set (j := length h mod l) in *.
  assert (ages : forall D', (forall q, In q D' -> q = p \/ In q D) ->
    forall q, In q D' -> exists d, d < S c /\ layer n q = (S (length h) - S c + d) mod l).
  { intros D' HD q Hq. apply HD in Hq. destruct Hq as [->|Hq].
    - exists c. split; [lia|]. rewrite Hpl. unfold j. f_equal. lia.
    - destruct (I8 q Hq) as [d [E1 E2]]. exists d. split; [lia|]. rewrite E2. f_equal. }
  unfold mark_far_step in *. destruct (has p s) eqn:Eh.
  - (* a hit *)
    apply has_pages in Eh. cbn [fst snd] in *. destruct ST as [[T1 T2] [T3 [T4 [_ [_ T6]]]]]. specialize (T6 Eh).
    assert (L' : length ((p, 1) :: drop p s) = length s) by (simpl; now apply drop_length).
    assert (N01 : forall e, In e ((p, 1) :: drop p s) -> snd e = 0 \/ snd e = 1).
    { intros e [<-|He]; [auto|]. apply drop_in in He. apply I2. tauto. }
    assert (PN : forall q, In q (pages ((p, 1) :: drop p s)) -> q < l * n) by (intros q Hq; apply I1, T6, Hq).
    assert (MK : forall q, marked ((p, 1) :: drop p s) q <-> q = p \/ marked s q).
    { intros q. rewrite marked_cons, marked_drop. destruct (Nat.eq_dec q p); tauto. }
    destruct (mem p D) eqn:Em.
    + apply mem_In in Em. rewrite L', Nat.add_0_r.
      split; [exact PN|]. split; [exact N01|]. split; [auto|]. split; [auto|].
      split; [intros q; rewrite MK, I5; split; [intros [->|?]; auto|auto]|]. split; [lia|]. split; [lia|].
      split; [apply ages; auto|]. destruct f as [|g]; [exact I9|]. destruct I9 as [C1 [C2 [[M [C3 C4]] C5]]].
      assert (Hc : l <= c).
      { destruct (le_lt_dec l c); auto. exfalso. destruct (I8 p Em) as [d [E1 E2]].
        apply (mod_distinct (length h) (c - d)); [lia|lia|lia|]. rewrite Hpl in E2. fold j. rewrite E2. f_equal. lia. }
      split; [lia|]. split; [auto|]. split; [exists M; split; [auto|lia]|]. intros; lia.
    + assert (Hn : ~ In p D) by (rewrite <- mem_In; congruence).
      assert (Hlt : length D < k).
      { destruct (le_lt_dec k (length D)) as [X|]; auto. exfalso. apply Hn. apply (full_marks s D); auto. }
      rewrite (proj2 (Nat.ltb_lt _ _) Hlt), L', Nat.add_0_r. cbn [length].
      split; [exact PN|]. split; [exact N01|]. split; [constructor; auto|]. split; [lia|].
      split; [intros q; rewrite MK, I5; simpl; split; intros [H|H]; auto|]. split; [lia|]. split; [lia|].
      split; [apply ages; intros q [H|H]; auto|]. destruct f as [|g].
      * exfalso. destruct I9 as [_ Z]. apply Hn. assert (G : incl (pages s) D); [|auto].
        apply NoDup_length_incl; auto; [unfold pages; rewrite map_length; lia|]. intros q Hq. now apply marked_pages, I5.
      * destruct I9 as [C1 [C2 [[M [C3 C4]] C5]]]. split; [lia|]. split; [auto|].
        split; [exists M; split; [auto|lia]|]. intros Hc. destruct (C5 ltac:(lia)) as [C6 C7]. split; [lia|].
        intros q Q1 Q2. rewrite (C7 q Q1); [f_equal|]. intros Q3. apply Q2, T6, Q3.
  - (* a miss *)
    assert (Hn : ~ In p (pages s)) by (rewrite <- has_pages; congruence).
    assert (HnD : ~ In p D) by (intros H; apply Hn, marked_pages, I5, H).
    assert (Em : mem p D = false) by (apply not_true_iff_false; now rewrite mem_In). rewrite Em.
    destruct (Nat.ltb_spec (length s) k) as [Lk|Lk].
    + (* room *)
      cbn [fst snd] in *. destruct f as [|g]; [|exfalso; lia]. destruct I9 as [C1 C2].
      rewrite (proj2 (Nat.ltb_lt (length D) k) ltac:(lia)). cbn [length].
      split; [intros q [<-|Hq]; auto|]. split; [intros e [<-|He]; auto|]. split; [constructor; auto|]. split; [lia|].
      split; [intros q; rewrite marked_cons, I5; simpl; split; intros [H|H]; auto|]. split; [lia|]. split; [lia|].
      split; [apply ages; intros q [H|H]; auto|]. lia.
    + assert (Ls : length s = k) by lia.
      destruct (forallb (fun e => snd e =? 1) s) eqn:Ea.
      * (* a phase begins *)
        pose proof (all_marked s D S1 I3 I5 Ea) as LD. rewrite (proj2 (Nat.ltb_ge (length D) k) ltac:(lia)).
        set (s0 := note (fun _ => 0) s) in *.
        assert (P0 : pages s0 = pages s) by apply note_pages.
        assert (Hne : s0 <> []) by (intros Z; assert (length s0 = length s) by apply map_length; rewrite Z in H; simpl in H; lia).
        destruct (drop_worst_ok (fun i m => if m =? 1 then 0 else ahead l l j i) s0 Hne) as [w [W1 [W2 W3]]]. rewrite W2 in *.
        cbn [fst snd length] in *. destruct ST as [[T1 T2] [T3 [T4 _]]].
        assert (Hw0 : snd w = 0) by (eapply note_01; eauto).
        assert (Hwp : In (fst w) (pages s)) by (rewrite <- P0; now apply in_map).
        (* another page of the layer is in the cache, so the victim is one *)
        assert (Hw : layer n (fst w) = j).
        { assert (Q : exists q, q <> p /\ q < l * n /\ layer n q = j).
          { destruct (Nat.eq_dec p (j * n)) as [E|E].
            - exists (j * n + 1). split; [lia|]. split; [nia|]. unfold layer. rewrite Nat.add_comm, Nat.div_add, Nat.div_small; lia.
            - exists (j * n). split; [auto|]. split; [nia|]. unfold layer. apply Nat.div_mul. lia. }
          destruct Q as [q [Q1 [Q2 Q3]]].
          assert (Hq : In q (pages s0)) by (rewrite P0; apply (all_but s p q); auto).
          apply in_map_iff in Hq. destruct Hq as [e [E1 E2]]. specialize (W3 e E2).
          assert (E0 : snd e = 0) by (eapply note_01; eauto). rewrite E0, Hw0, E1, Q3 in W3. simpl in W3.
          assert (Hlw : layer n (fst w) < l) by (apply layer_range; [lia|auto]).
          destruct (ahead_same j (layer n (fst w)) Hj Hlw) as [A1 A2]. destruct (ahead_same j j Hj Hj) as [A3 _].
          rewrite (proj2 A3 eq_refl) in W3. apply A1. lia. }
        split; [intros q Hq; apply T4 in Hq; destruct Hq as [<-|Hq]; auto|].
        split; [intros e [<-|He]; [auto|]; apply drop_in in He; left; eapply note_01; [exact I2|apply He]|].
        split; [constructor; [intros []|constructor]|]. split; [lia|].
        split.
        { intros q. rewrite marked_cons, marked_drop. simpl. split; [intros [->|[H _]]; auto|intros [->|[]]; auto].
          unfold marked in H. exfalso. assert (Z : snd (q, 1) = 0) by (eapply note_01; eauto). discriminate. }
        split; [lia|]. split; [lia|].
        split; [intros q [<-|[]]; exists 0; split; [lia|]; rewrite Hpl; unfold j; f_equal; lia|].
        split; [lia|]. assert (L0 : S (length (drop (fst w) s0)) = k).
        { rewrite drop_length; [unfold s0, note; now rewrite map_length|now rewrite P0|now rewrite P0]. }
        split; [exact L0|]. split.
        -- exists 1. split; [|lia]. destruct f as [|g]; [destruct I9; lia|]. destruct I9 as [C1 [C2 [[M [C3 C4]] C5]]].
           rewrite Nat.mul_succ_r. lia.
        -- intros Hc. split; [auto|]. intros q Q1 Q2. replace (S (length h) - 1) with (length h) by lia.
           destruct (Nat.eq_dec q (fst w)) as [->|Nq]; [exact Hw|]. exfalso. apply Q2.
           destruct (Nat.eq_dec q p) as [->|Np]; [now left|right]. apply pages_drop. rewrite P0. split; auto.
           apply (all_but s p q); auto.
      * (* the phase goes on *)
        pose proof (unmarked_fewer s D S1 S2 I3 I5 Ea) as Hlt. rewrite (proj2 (Nat.ltb_lt _ _) Hlt).
        assert (Hne : s <> []) by (intros Z; rewrite Z in Ls; simpl in Ls; lia).
        destruct (drop_worst_ok (fun i m => if m =? 1 then 0 else ahead l l j i) s Hne) as [w [W1 [W2 W3]]]. rewrite W2 in *.
        cbn [fst snd length] in *. destruct ST as [[T1 T2] [T3 [T4 _]]].
        assert (Hw0 : snd w = 0).
        { destruct (I2 w W1) as [|E]; auto. exfalso.
          assert (X : exists e, In e s /\ snd e <> 1).
          { clear - Ea. induction s as [|e s IH]; [discriminate|]. simpl in Ea. destruct (Nat.eqb_spec (snd e) 1).
            - destruct IH as [x [X1 X2]]; auto. exists x. split; [now right|auto].
            - exists e. split; [now left|auto]. }
          destruct X as [e [E1 E2]]. specialize (W3 e E1). rewrite E in W3. simpl in W3.
          destruct (I2 e E1) as [Z|]; [|tauto]. rewrite Z in W3. simpl in W3.
          assert (He : layer n (fst e) < l) by (apply layer_range; [lia|apply I1; now apply in_map]).
          destruct (ahead_same j (layer n (fst e)) Hj He) as [_ A2]. lia. }
        assert (Hwn : ~ marked s (fst w)).
        { unfold marked. intros H. clear - S1 W1 H Hw0. destruct w as [q m]. simpl in *. subst m. unfold pages in S1.
          induction s as [|[x y] s IH]; [inversion W1|]. simpl in S1. inversion S1; subst.
          destruct W1 as [W1|W1], H as [H|H]; try congruence; auto.
          - injection W1 as -> ->. apply H2. apply in_map_iff. exists (q, 1). auto.
          - injection H as -> ->. apply H2. apply in_map_iff. exists (q, 0). auto. }
        split; [intros q Hq; apply T4 in Hq; destruct Hq as [<-|Hq]; auto|].
        split; [intros e [<-|He]; [auto|]; apply drop_in in He; apply I2; tauto|].
        split; [constructor; auto|]. split; [lia|].
        split.
        { intros q. rewrite marked_cons, marked_drop, I5. simpl. split; [intros [->|[H _]]; auto|intros [->|H]; auto].
          right. split; auto. intros ->. apply Hwn, I5, H. }
        split; [lia|]. split; [lia|]. split; [apply ages; intros q [H|H]; auto|].
        destruct f as [|g]; [exfalso; destruct I9; lia|]. destruct I9 as [C1 [C2 [[M [C3 C4]] C5]]].
        assert (Hc : l <= c).
        { destruct (le_lt_dec l c); auto. exfalso. destruct (C5 l0) as [_ C7]. specialize (C7 p Hp Hn).
          apply (mod_distinct (length h) c); auto. rewrite <- C7. exact Hpl. }
        split; [lia|]. split; [rewrite drop_length; [exact Ls|auto|now apply in_map]|].
        split; [exists (S M); split; lia|]. intros; lia.
Qed.

Lemma inv_all h : layered l n 0 (rev h) -> inv h.
Proof.
  induction h as [|p h IH]; intros Hl.
  - unfold inv. simpl. split; [intros q []|]. split; [intros e []|]. split; [constructor|]. split; [lia|].
    split; [intros q; unfold marked; simpl; tauto|]. split; [lia|]. split; [lia|]. split; [intros q []|].
    split; [unfold policy_cost; simpl; lia|auto].
  - apply inv_step; auto. apply IH. simpl in Hl. clear - Hl. revert Hl. generalize 0 as t. induction (rev h) as [|x r IH]; simpl; auto.
    intros t [H1 [H2 H3]]. split; auto.
Qed.

Lemma upper : at_most l n k pay (k - l + 1) 1.
Proof.
  pose proof k_pos as Hk. exists (2 * k + 1). intros h m Hl Hs. pose proof (inv_all h Hl) as I. unfold inv in I.
  pose proof (phases_paid k Hk h m Hs) as F. destruct (phase k h) as [[D f] c]. cbn [fst snd] in F.
  destruct I as [_ [_ [_ [I4 [_ [_ [_ [_ I9]]]]]]]]. destruct f as [|g]; [destruct I9; pose proof (Nat.le_0_l ((k - l + 1) * m)); lia|].
  destruct I9 as [_ [_ [[M [C3 C4]] _]]].
  assert ((k - l + 1) * g <= (k - l + 1) * m) by (apply Nat.mul_le_mono_l; lia). lia.
Qed.
End MarkFar.

Theorem mark_far_exact : forall l n k, 1 <= l -> 2 <= n -> k + 1 = l * n ->
  ratio l n k (policy_cost l n k MarkFar) (k - l + 1) 1.
Proof.
  intros l n k Hl Hn Hk. split; [auto|]. split; [now apply upper|]. intros P Q [add H].
  rewrite Nat.mul_1_r.
  apply (deterministic_lower l n k Hl ltac:(nia) ltac:(lia) (alg l n k) (alg_online l n k Hl Hn Hk) P Q).
  exists add. intros h m H1 H2. specialize (H h m H1 H2). pose proof (alg_paid l n k Hl Hn Hk h).
  assert (Q * paid (alg l n k) h <= Q * policy_cost l n k MarkFar h) by (apply Nat.mul_le_mono_l; auto). lia.
Qed.
