(* The policy of randomized_one_short.v and its probabilities: one slot short of all pages, k + 1 = l n, n >= 2.
   One page is absent.  The probability of each page to be the absent one is a function of the phase alone. *)
From Coq Require Import List Arith Bool Lia QArith Lqa.
From LP.library Require Import Model Online Layers Phases Chance.
Import ListNotations.
Local Open Scope Q_scope.

Section Policy.
Variables l n : nat.
Hypothesis l_pos : (1 <= l)%nat.
Hypothesis n_two : (2 <= n)%nat.
Definition slots : nat := l * n - 1.
Notation k := slots.
Notation lay := (layer n).
Definition all : list nat := seq 0 (l * n).

(* the weight with which page y becomes the absent one when the newest request of h is missed *)
Definition aim (h : list nat) (y : nat) : Q :=
  let '(D, f, c) := phase k h in
  match h with
  | [] => 0
  | p :: _ =>
      if (y =? p)%nat then 0
      else if (c =? 1)%nat then (if (lay y =? lay p)%nat then / (q l * q (n - 1)) else / (q l * q n))
      else if (c <=? l)%nat then (if (lay y =? lay p)%nat then / q (n - 1) else 0)
      else if mem y D then 0 else / q (l * n - length D)
  end.
Definition policy (h : list nat) (C : cache) : dist cache :=
  match h with
  | [] => []
  | p :: _ =>
      if mem p C then [(1, C)]
      else if (length C <? k)%nat then [(1, p :: C)]
      else map (fun y => (aim h y, p :: remove Nat.eq_dec y C)) C
  end.

(* the probability that y is absent, D being the pages of the phase and c its requests *)
Definition visited (D : list nat) (j : nat) : bool := existsb (fun d => (lay d =? j)%nat) D.
Definition absent (D : list nat) (c : nat) (y : nat) : Q :=
  if mem y D then 0
  else if (l <=? c)%nat then / q (l * n - length D)
  else if visited D (lay y) then / (q l * q (n - 1)) else / (q l * q n).

Lemma size : (2 * l <= l * n)%nat.
Proof. rewrite (Nat.mul_comm 2). apply Nat.mul_le_mono_l. auto. Qed.
Lemma q_n : q n == q (n - 1) + 1.
Proof. replace n with (S (n - 1)) at 1 by lia. apply q_S. Qed.
Lemma all_In y : In y all <-> (y < l * n)%nat.
Proof. unfold all. rewrite in_seq. lia. Qed.
Lemma lay_small y : In y all -> (lay y < l)%nat.
Proof. intros H. apply all_In in H. unfold layer. apply Nat.div_lt_upper_bound; lia. Qed.
Lemma visited_iff D j : visited D j = true <-> exists d, In d D /\ lay d = j.
Proof.
  unfold visited. rewrite existsb_exists. split; intros [d [H1 H2]]; exists d; split; auto; now apply Nat.eqb_eq.
Qed.

(* facts about a phase *)
Record facts (h D : list nat) (c : nat) : Prop := {
  f_nodup : NoDup D; f_few : (length D <= k)%nat; f_le : (length D <= c)%nat; f_c : (c <= length h)%nat;
  f_all : incl D all; f_recent : forall x, In x D <-> In x (firstn c h); f_fresh : (c <= l)%nat -> length D = c }.

Lemma phase_facts h : backwards l n h -> let '(D, f, c) := phase k h in facts h D c /\ (h <> [] -> (1 <= c)%nat).
Proof.
  pose proof size as Sz. induction h as [|p h IH]; intros Hb.
  - simpl. split; [|congruence]. constructor; simpl; try (intros; lia); [apply NoDup_nil|intros x []].
  - specialize (IH (proj2 (proj2 Hb))). pose proof (window_layers l n l_pos _ Hb) as W. cbn [phase].
    destruct (phase k h) as [[D f] c]. destruct IH as [[F1 F2 F3 F4 F5 F6 F7] _].
    assert (Pa : In p all) by (apply all_In, Hb).
    assert (New : (c < l)%nat -> ~ In p D).
    { intros Hc Hp. apply F6 in Hp. replace l with (S (l - 1)) in W at 1 by lia. cbn [firstn map] in W.
      inversion W as [|u v W1 W2]; subst. apply W1, in_map. rewrite <- (firstn_skipn c (firstn (l - 1) h)), firstn_firstn.
      apply in_or_app. left. replace (Nat.min c (l - 1)) with c by lia. auto. }
    destruct (mem p D) eqn:M.
    + apply mem_In in M. assert (l <= c)%nat by (destruct (le_lt_dec l c); auto; tauto). split; [|lia].
      constructor; auto; cbn [length firstn]; try (intros; lia). intros x. cbn [In]. rewrite <- F6. split; [auto|intros [<-|?]; auto].
    + assert (Np : ~ In p D) by (rewrite <- mem_In; congruence). destruct (length D <? k)%nat eqn:L.
      * apply Nat.ltb_lt in L. split; [|lia]. constructor; cbn [length firstn]; try (intros; lia).
        -- constructor; auto.
        -- intros x [<-|Hx]; auto.
        -- intros x. cbn [In]. rewrite <- F6. tauto.
      * split; [|lia]. constructor; cbn [length firstn]; try (intros; lia).
        -- constructor; [intros []|constructor].
        -- unfold slots. lia.
        -- intros x [<-|[]]; auto.
        -- intros x. tauto.
Qed.

(* the layers of the first requests of a phase are different *)
Lemma unvisited p h D f c : backwards l n (p :: h) -> phase k h = (D, f, c) -> (c < l)%nat -> visited D (lay p) = false.
Proof.
  intros Hb E Hc. pose proof (phase_facts h (proj2 (proj2 Hb))) as F. rewrite E in F. destruct F as [F _].
  apply not_true_iff_false. rewrite visited_iff. intros [d [D1 D2]]. apply (f_recent _ _ _ F) in D1.
  pose proof (window_layers l n l_pos _ Hb) as W. replace l with (S (l - 1)) in W at 1 by lia. cbn [firstn map] in W.
  inversion W as [|u v W1 W2]; subst. apply W1. rewrite <- D2. apply in_map.
  rewrite <- (firstn_skipn c (firstn (l - 1) h)), firstn_firstn. apply in_or_app. left.
  replace (Nat.min c (l - 1)) with c by lia. auto.
Qed.
Lemma all_visited h D f c y : backwards l n h -> phase k h = (D, f, c) -> c = l -> In y all -> visited D (lay y) = true.
Proof.
  intros Hb E -> Hy. pose proof (phase_facts h Hb) as F. rewrite E in F. destruct F as [F _]. apply visited_iff.
  assert (Hd : NoDup (map lay (firstn l h))) by (apply (window_layers l n l_pos); auto).
  assert (Hi : incl (seq 0 l) (map lay (firstn l h))).
  { apply NoDup_length_incl; auto.
    - rewrite map_length, firstn_length, seq_length. pose proof (f_c _ _ _ F). lia.
    - intros j Hj. apply in_map_iff in Hj. destruct Hj as [d [<- Hd2]]. apply in_seq. apply (f_recent _ _ _ F), (f_all _ _ _ F) in Hd2.
      apply lay_small in Hd2. lia. }
  assert (Hl : In (lay y) (seq 0 l)) by (apply in_seq; apply lay_small in Hy; lia).
  apply Hi, in_map_iff in Hl. destruct Hl as [d [D1 D2]]. exists d. split; auto. apply (f_recent _ _ _ F). auto.
Qed.

(* one request moves the probabilities from one formula to the next *)
Lemma absent_step p h y : backwards l n (p :: h) -> In y all -> let '(D, f, c) := phase k h in
  let '(D', f', c') := phase k (p :: h) in (length D = k \/ (1 <= f)%nat) -> (1 <= c)%nat ->
  (if (y =? p)%nat then 0 else absent D c y + absent D c p * aim (p :: h) y) == absent D' c' y.
Proof.
  intros Hb Hy. pose proof (phase_facts h (proj2 (proj2 Hb))) as F. pose proof (phase_facts (p :: h) Hb) as F'.
  pose proof size as Sz. pose proof (fun D f c => unvisited p h D f c Hb) as Un.
  pose proof (fun D f c => all_visited (p :: h) D f c y Hb) as Av.
  unfold aim. cbn [phase] in *. destruct (phase k h) as [[D f] c]. specialize (Un D f c eq_refl).
  destruct F as [F _]. assert (Pa : In p all) by (apply all_In, Hb).
  assert (Ql : 0 < q l) by (apply q_pos; lia). assert (Qn : 0 < q (n - 1)) by (apply q_pos; lia). pose proof q_n as Qn1.
  destruct (mem p D) eqn:M.
  - (* seen before in the phase *)
    intros _ Hc. apply mem_In in M. assert (Hl : (l <= c)%nat).
    { destruct (le_lt_dec l c) as [|C]; auto. specialize (Un C). exfalso. assert (visited D (lay p) = true); [|congruence].
      apply visited_iff. eauto. }
    unfold absent. apply mem_In in M. rewrite M. replace (l <=? c)%nat with true by (symmetry; apply Nat.leb_le; auto).
    replace (l <=? S c)%nat with true by (symmetry; apply Nat.leb_le; lia).
    destruct (y =? p)%nat eqn:E; [apply Nat.eqb_eq in E; subst; rewrite M; reflexivity|]. ring.
  - assert (Np : ~ In p D) by (rewrite <- mem_In; congruence).
    destruct (length D <? k)%nat eqn:L.
    + apply Nat.ltb_lt in L. specialize (Av (p :: D) f (S c) eq_refl). destruct F' as [F' _]. intros _ Hc.
      destruct (y =? p)%nat eqn:E.
      { apply Nat.eqb_eq in E. subst y. unfold absent. replace (mem p (p :: D)) with true; [reflexivity|].
        symmetry. apply mem_In. left; auto. }
      apply Nat.eqb_neq in E. assert (Em : mem y (p :: D) = mem y D).
      { apply eq_true_iff_eq. rewrite !mem_In. simpl. split; [intros [?|?]; [congruence|auto]|auto]. }
      replace (S c =? 1)%nat with false by (symmetry; apply Nat.eqb_neq; lia).
      unfold absent. rewrite M, Em. destruct (le_lt_dec l c) as [Hl|Hl].
      * (* after the opening *)
        replace (l <=? c)%nat with true by (symmetry; apply Nat.leb_le; auto).
        replace (l <=? S c)%nat with true by (symmetry; apply Nat.leb_le; lia).
        replace (S c <=? l)%nat with false by (symmetry; apply Nat.leb_gt; lia).
        destruct (mem y D); [ring|]. cbn [length]. unfold slots in L. set (u := (l * n - S (length D))%nat).
        replace (l * n - length D)%nat with (S u) by (unfold u; lia). rewrite q_S.
        assert (0 < q u) by (apply q_pos; unfold u; lia). field. split; lra.
      * (* the opening *)
        specialize (Un Hl). rewrite Un. replace (l <=? c)%nat with false by (symmetry; apply Nat.leb_gt; auto).
        replace (S c <=? l)%nat with true by (symmetry; apply Nat.leb_le; auto).
        assert (Vp : visited (p :: D) (lay y) = ((lay p =? lay y)%nat || visited D (lay y))%bool) by reflexivity.
        rewrite (Nat.eqb_sym (lay y) (lay p)).
        destruct (lay p =? lay y)%nat eqn:Ey.
        -- apply Nat.eqb_eq in Ey. assert (My : mem y D = false).
           { apply not_true_iff_false. rewrite mem_In. intros Hi. assert (visited D (lay p) = true); [|congruence].
             apply visited_iff. exists y. auto. }
           rewrite My, Vp. rewrite <- Ey, Un. cbn [orb].
           assert (Goal1 : / (q l * q n) + / (q l * q n) * / q (n - 1) == / (q l * q (n - 1))).
           { rewrite Qn1. field. repeat split; lra. }
           rewrite Goal1. destruct (l <=? S c)%nat eqn:El; [|reflexivity]. apply Nat.leb_le in El.
           pose proof (f_fresh _ _ _ F' ltac:(lia)) as Ld. rewrite Ld. replace (S c) with l by lia.
           replace (l * n - l)%nat with (l * (n - 1))%nat by nia. rewrite q_mult. reflexivity.
        -- rewrite Vp. cbn [orb]. destruct (mem y D) eqn:My; [ring|].
           destruct (l <=? S c)%nat eqn:El; [|ring]. apply Nat.leb_le in El.
           specialize (Av ltac:(lia) Hy). rewrite Vp in Av. cbn [orb] in Av. rewrite Av.
           pose proof (f_fresh _ _ _ F' ltac:(lia)) as Ld. rewrite Ld. replace (S c) with l by lia.
           replace (l * n - l)%nat with (l * (n - 1))%nat by nia. rewrite q_mult. ring.
    + (* a new phase *)
      apply Nat.ltb_ge in L. pose proof (f_few _ _ _ F) as L2. assert (Lk : length D = k) by lia. intros _ Hc.
      pose proof (f_le _ _ _ F) as L3. unfold slots in Lk.
      destruct (y =? p)%nat eqn:E.
      { apply Nat.eqb_eq in E. subst y. unfold absent. replace (mem p [p]) with true; [reflexivity|].
        symmetry. apply mem_In. left; auto. }
      apply Nat.eqb_neq in E. assert (Yd : mem y D = true).
      { apply mem_In. destruct (in_dec Nat.eq_dec y D) as [|Ny]; auto. exfalso.
        assert (Hi : incl (p :: y :: D) all).
        { intros x [<-|[<-|Hx]]; auto. apply (f_all _ _ _ F); auto. }
        apply NoDup_incl_length in Hi; [|constructor; [intros [?|?]; [congruence|tauto]|constructor; [auto|apply (f_nodup _ _ _ F)]]].
        unfold all in Hi. rewrite seq_length in Hi. simpl in Hi. lia. }
      unfold absent. rewrite M, Yd. replace (mem y [p]) with false by (symmetry; apply not_true_iff_false; rewrite mem_In; intros [?|[]]; congruence).
      replace (l <=? c)%nat with true by (symmetry; apply Nat.leb_le; lia).
      replace (l * n - length D)%nat with 1%nat by lia. change (q 1) with 1. cbn [Nat.eqb].
      unfold visited. cbn [existsb]. rewrite orb_false_r, (Nat.eqb_sym (lay y) (lay p)). cbn [length].
      destruct (l <=? 1)%nat eqn:El.
      * apply Nat.leb_le in El. assert (E1 : l = 1%nat) by lia. pose proof (lay_small y Hy). pose proof (lay_small p Pa).
        replace (lay p =? lay y)%nat with true by (symmetry; apply Nat.eqb_eq; lia).
        replace (l * n - 1)%nat with (n - 1)%nat by (rewrite E1; lia). rewrite E1. change (q 1) with 1. field. lra.
      * destruct (lay p =? lay y)%nat; field; repeat split; lra.
Qed.
(* the weights are a law *)
Lemma layer_row j y : (j < l)%nat -> In y (seq (j * n) n) <-> In y all /\ (lay y =? j)%nat = true.
Proof.
  intros Hj. rewrite in_seq, all_In, Nat.eqb_eq. unfold layer. split.
  - intros [H1 H2]. assert ((S j) * n <= l * n)%nat by (apply Nat.mul_le_mono_r; lia). split; [simpl in H; lia|].
    symmetry. apply Nat.div_unique with (y - j * n)%nat; lia.
  - intros [H1 H2]. pose proof (Nat.div_mod y n ltac:(lia)). pose proof (Nat.mod_upper_bound y n ltac:(lia)). rewrite H2 in H. lia.
Qed.
Lemma all_NoDup : NoDup all.
Proof. apply seq_NoDup. Qed.

Lemma aim_0 h y : 0 <= aim h y.
Proof.
  unfold aim. destruct (phase k h) as [[D f] c]. destruct h as [|p h]; [lra|].
  assert (P : forall a b, 0 <= / (q a * q b)) by (intros a b; rewrite <- q_mult; apply q_inv).
  destruct (y =? p)%nat; [lra|]. destruct (c =? 1)%nat; [destruct (lay y =? lay p)%nat; apply P|].
  destruct (c <=? l)%nat; [destruct (lay y =? lay p)%nat; [apply q_inv|lra]|]. destruct (mem y D); [lra|apply q_inv].
Qed.
Lemma aim_self p h : aim (p :: h) p == 0.
Proof. unfold aim. destruct (phase k (p :: h)) as [[D f] c]. rewrite Nat.eqb_refl. reflexivity. Qed.
Lemma aim_all p h : backwards l n (p :: h) -> sum (aim (p :: h)) all == 1.
Proof.
  intros Hb. pose proof size as Sz. pose proof (phase_facts (p :: h) Hb) as F. unfold aim.
  assert (Hd : In p (fst (fst (phase k (p :: h))))).
  { cbn [phase]. destruct (phase k h) as [[D f] c]. destruct (mem p D) eqn:M; [apply mem_In; auto|].
    destruct (length D <? k)%nat; left; auto. }
  destruct (phase k (p :: h)) as [[D f] c]. destruct F as [F _]. cbn [fst] in Hd.
  assert (Pa : In p all) by (apply all_In, Hb). pose proof (lay_small p Pa) as Lp.
  assert (Ql : 0 < q l) by (apply q_pos; lia). assert (Qn : 0 < q (n - 1)) by (apply q_pos; lia). pose proof q_n as Qn1.
  set (row := seq (lay p * n) n).
  assert (Row : forall y, In y row <-> In y all /\ (lay y =? lay p)%nat = true) by (intros y; apply layer_row; auto).
  assert (Pr : In p row) by (apply Row; split; auto; apply Nat.eqb_refl).
  assert (C1 : length (filter (fun y => negb (y =? p)%nat && (lay y =? lay p)%nat) all) = (n - 1)%nat).
  { rewrite (filter_length_iff _ _ (remove Nat.eq_dec p row)).
    - pose proof (length_remove p row (seq_NoDup _ _) Pr) as L. unfold row in L. rewrite seq_length in L. unfold row. lia.
    - apply all_NoDup.
    - apply NoDup_remove_eq, seq_NoDup.
    - intros x. rewrite andb_true_iff, negb_true_iff, Nat.eqb_neq. split.
      + intros H. apply in_remove in H. destruct H as [H1 H2]. apply Row in H1. tauto.
      + intros [H1 [H2 H3]]. apply in_in_remove; auto. apply Row. auto. }
  destruct (c =? 1)%nat.
  - assert (C2 : length (filter (fun y => negb (lay y =? lay p)%nat) all) = (l * n - n)%nat).
    { pose proof (filter_split (fun y => (lay y =? lay p)%nat) all) as S.
      pose proof (filter_length_iff (fun y => (lay y =? lay p)%nat) all row all_NoDup (seq_NoDup _ _) Row) as G.
      assert (La : length all = (l * n)%nat) by apply seq_length. assert (Lr : length row = n) by apply seq_length. cbn beta in S. lia. }
    rewrite (sum_ext _ (fun y => (if negb (y =? p)%nat && (lay y =? lay p)%nat then / (q l * q (n - 1)) else 0) +
      (if negb (lay y =? lay p)%nat then / (q l * q n) else 0))).
    + rewrite sum_plus, !sum_count, C1, C2. replace (l * n - n)%nat with ((l - 1) * n)%nat by nia.
      rewrite q_mult. assert (E : q l == q (l - 1) + 1) by (replace l with (S (l - 1)) at 1 by lia; apply q_S).
      rewrite E. assert (0 <= q (l - 1)) by apply q_0. field. repeat split; try lra.
    + intros y Hy. destruct (y =? p)%nat eqn:E; [apply Nat.eqb_eq in E; subst y; rewrite Nat.eqb_refl; simpl; ring|].
      destruct (lay y =? lay p)%nat; simpl; ring.
  - destruct (c <=? l)%nat.
    + rewrite (sum_ext _ (fun y => if negb (y =? p)%nat && (lay y =? lay p)%nat then / q (n - 1) else 0)).
      * rewrite sum_count, C1. field. lra.
      * intros y Hy. destruct (y =? p)%nat, (lay y =? lay p)%nat; simpl; reflexivity.
    + assert (C3 : length (filter (fun y => negb (mem y D)) all) = (l * n - length D)%nat).
      { pose proof (filter_split (fun y => mem y D) all) as S.
        pose proof (filter_length_iff (fun y => mem y D) all D all_NoDup (f_nodup _ _ _ F)) as G.
        assert (La : length all = (l * n)%nat) by apply seq_length. cbn beta in S. rewrite G in S; [lia|].
        intros x. rewrite mem_In. split; [intros H; split; auto; apply (f_all _ _ _ F); auto|tauto]. }
      rewrite (sum_ext _ (fun y => if negb (mem y D) then / q (l * n - length D) else 0)).
      * rewrite sum_count, C3. pose proof (f_few _ _ _ F) as Few. unfold slots in Few.
        assert (0 < q (l * n - length D)) by (apply q_pos; lia). field. lra.
      * intros y Hy. destruct (y =? p)%nat eqn:E; [apply Nat.eqb_eq in E; subst y; apply mem_In in Hd; rewrite Hd; reflexivity|].
        destruct (mem y D); reflexivity.
Qed.

End Policy.
