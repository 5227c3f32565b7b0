(* One slot short of all pages, k + 1 = l n, n >= 2: a randomized policy of ratio H_(k-l+1) + (l-1)/(k+1).
   One page is absent.  A phase begins with the request to the last page not yet requested: the absent page is drawn anew, its
   layer uniformly, then uniformly among the pages of the layer not yet requested in the phase.  In the next l - 1 requests a
   page that is missed gives its place to another of its layer, uniformly; later to any page not yet requested, uniformly. *)
From Coq Require Import List Arith Bool Lia QArith Lqa.
From LP.library Require Import Model Online Layers Phases Chance OneShort.
Import ListNotations.
Local Open Scope Q_scope.

Section Policy.
Variables l n : nat.
Hypothesis l_pos : (1 <= l)%nat.
Hypothesis n_two : (2 <= n)%nat.
Notation k := (slots l n).
Notation lay := (layer n).
Notation all := (all l n).
Notation aim := (aim l n).
Notation policy := (policy l n).
Notation absent := (absent l n).
Notation visited := (visited n).
Notation size := (size l n n_two).
Notation all_In := (all_In l n l_pos n_two).
Notation all_NoDup := (all_NoDup l n).
Notation visited_iff := (visited_iff n).
Notation aim_0 := (aim_0 l n).
Notation aim_self := (aim_self l n).
Notation aim_all := (aim_all l n l_pos n_two).
Notation phase_facts := (phase_facts l n l_pos n_two).
Notation unvisited := (unvisited l n l_pos n_two).
Notation absent_step := (absent_step l n l_pos n_two).
Notation f_nodup := (f_nodup l n).
Notation f_few := (f_few l n).
Notation f_le := (f_le l n).
Notation f_c := (f_c l n).
Notation f_all := (f_all l n).
Notation f_recent := (f_recent l n).
Notation f_fresh := (f_fresh l n).

(* a full cache lacks one page *)
Lemma full_lacks C p y : NoDup C -> incl C all -> length C = k -> In p all -> In y all -> ~ In p C -> y <> p -> In y C.
Proof.
  intros H1 H2 H3 Hp Hy N E. pose proof size as Sz. destruct (in_dec Nat.eq_dec y C) as [|Ny]; auto. exfalso.
  assert (Hi : incl (p :: y :: C) all) by (intros x [<-|[<-|Hx]]; auto).
  apply NoDup_incl_length in Hi; [|constructor; [intros [?|?]; [congruence|tauto]|constructor; auto]].
  unfold all in Hi. rewrite seq_length in Hi. unfold slots in H3. simpl in Hi. lia.
Qed.
Lemma aim_cache C p h : backwards l n (p :: h) -> NoDup C -> incl C all -> length C = k -> ~ In p C -> sum (aim (p :: h)) C == 1.
Proof.
  intros Hb H1 H2 H3 N. assert (Pa : In p all) by (apply all_In, Hb).
  rewrite <- (aim_all p h Hb), (sum_remove _ p all all_NoDup Pa), aim_self, Qplus_0_l.
  apply sum_same; auto; [apply NoDup_remove_eq, all_NoDup|]. intros x. split; intros Hx.
  - apply in_in_remove; auto. intros ->. tauto.
  - apply in_remove in Hx. apply full_lacks with p; tauto.
Qed.

(* what the policy does with one cache *)
Lemma policy_one C p h : backwards l n (p :: h) -> NoDup C -> incl C all -> (length C <= k)%nat ->
  is_law (policy (p :: h) C) /\
  (forall v C', In (v, C') (policy (p :: h) C) -> NoDup C' /\ incl C' all /\ (length C' <= k)%nat /\ In p C' /\
     (length C = k -> length C' = k) /\
     ((length C < k)%nat -> forall x, In x C' <-> x = p \/ In x C) /\ (In p C -> C' = C)) /\
  mean (policy (p :: h) C) (loads C) == gone p C /\
  (forall y, In y all -> mean (policy (p :: h) C) (gone y) ==
     if (length C <? k)%nat then (if (y =? p)%nat then 0 else gone y C)
     else if (y =? p)%nat then 0 else gone y C + gone p C * aim (p :: h) y).
Proof.
  intros Hb H1 H2 H3. assert (Pa : In p all) by (apply all_In, Hb). unfold policy, gone. destruct (mem p C) eqn:M.
  - apply mem_In in M. split; [split; [intros w x [[= <- <-]|[]]; lra|simpl; ring]|]. split; [|split].
    + intros v C' [[= <- <-]|[]]. do 5 (split; [auto|]). split; [|auto]. intros _ x. split; [auto|intros [->|?]; auto].
    + simpl. unfold loads. rewrite minus_self. unfold q. simpl. ring.
    + intros y Hy. simpl. assert (Ey : (y =? p)%nat = true -> mem y C = true) by (intros E; apply Nat.eqb_eq in E; subst; apply mem_In; auto).
      destruct (length C <? k)%nat, (y =? p)%nat; try (rewrite Ey by auto); ring.
  - assert (N : ~ In p C) by (rewrite <- mem_In; congruence).
    assert (Ld : forall D, In p D -> incl D (p :: C) -> NoDup D -> loads C D == 1).
    { intros D D1 D2 D3. unfold loads. replace (length (minus D C)) with 1%nat; [reflexivity|].
      apply Nat.le_antisymm.
      - change 1%nat with (length [p]). apply NoDup_incl_length; [constructor; [intros []|constructor]|].
        intros x [<-|[]]. apply minus_In. auto.
      - change 1%nat with (length [p]). apply NoDup_incl_length; [apply minus_NoDup; auto|].
        intros x Hx. apply minus_In in Hx. destruct Hx as [X1 X2]. apply D2 in X1. destruct X1 as [<-|X1]; [left; auto|tauto]. }
    destruct (length C <? k)%nat eqn:L.
    + apply Nat.ltb_lt in L. split; [split; [intros w x [[= <- <-]|[]]; lra|simpl; ring]|]. split; [|split].
      * intros v C' [[= <- <-]|[]]. split; [constructor; auto|]. split; [intros x [<-|Hx]; auto|]. split; [simpl; lia|].
        split; [left; auto|]. split; [lia|]. split; [|tauto]. intros _ x. simpl. split; [intros [?|?]; auto|intros [?|?]; auto].
      * simpl. rewrite Ld; [ring|left; auto|intros x; auto|constructor; auto].
      * intros y Hy. simpl mean. destruct (y =? p)%nat eqn:E.
        -- apply Nat.eqb_eq in E. subst y. replace (mem p (p :: C)) with true by (symmetry; apply mem_In; left; auto). ring.
        -- apply Nat.eqb_neq in E. replace (mem y (p :: C)) with (mem y C); [ring|]. apply eq_true_iff_eq. rewrite !mem_In. simpl.
           split; [auto|intros [?|?]; [congruence|auto]].
    + apply Nat.ltb_ge in L. assert (Lk : length C = k) by lia. clear H3.
      assert (One := aim_cache C p h Hb H1 H2 Lk N).
      assert (Ok : forall z, In z C -> NoDup (p :: remove Nat.eq_dec z C)).
      { intros z Hz. constructor; [intros H; apply in_remove in H; tauto|apply NoDup_remove_eq; auto]. }
      assert (Inc : forall z, incl (p :: remove Nat.eq_dec z C) (p :: C)).
      { intros z x [<-|Hx]; [left; auto|]. apply in_remove in Hx. right. tauto. }
      split; [|split; [|split]].
      * split.
        -- intros w x Hx. apply in_map_iff in Hx. destruct Hx as [z [[= <- <-] Hz]]. apply aim_0.
        -- rewrite mean_chosen. rewrite <- One. apply sum_ext. intros z Hz. ring.
      * intros v C' Hx. apply in_map_iff in Hx. destruct Hx as [z [[= <- <-] Hz]]. pose proof (length_remove z C H1 Hz) as Lz.
        split; [auto|]. split; [intros x Hx; apply Inc in Hx; destruct Hx as [<-|Hx]; auto|]. split; [simpl; lia|].
        split; [left; auto|]. split; [simpl; lia|]. split; [lia|tauto].
      * rewrite mean_chosen, <- One. apply sum_ext. intros z Hz. rewrite Ld; [ring|left; auto|auto|auto].
      * intros y Hy. rewrite mean_chosen. destruct (y =? p)%nat eqn:E.
        -- apply Nat.eqb_eq in E. subst y. rewrite (sum_ext _ (fun _ => 0)).
           ++ clear. induction C as [|x C IH]; simpl; [reflexivity|]. rewrite IH. ring.
           ++ intros z Hz. replace (mem p (p :: remove Nat.eq_dec z C)) with true by (symmetry; apply mem_In; left; auto). ring.
        -- apply Nat.eqb_neq in E. assert (Yc : In y C) by (apply full_lacks with p; auto).
           rewrite (sum_remove _ y C H1 Yc). rewrite (sum_ext _ (fun _ => 0) (remove Nat.eq_dec y C)).
           ++ replace (mem y (p :: remove Nat.eq_dec y C)) with false.
              ** apply mem_In in Yc. rewrite Yc. assert (Z : sum (fun _ => 0) (remove Nat.eq_dec y C) == 0).
                 { clear. induction (remove Nat.eq_dec y C) as [|x r IH]; simpl; [reflexivity|]. rewrite IH. ring. }
                 rewrite Z. ring.
              ** symmetry. apply not_true_iff_false. rewrite mem_In. intros [?|H]; [congruence|]. apply in_remove in H. tauto.
           ++ intros z Hz. apply in_remove in Hz. replace (mem y (p :: remove Nat.eq_dec z C)) with true; [ring|].
              symmetry. apply mem_In. right. apply in_in_remove; [intros ->; tauto|auto].
Qed.
(* what has been paid *)
Definition bound : Q := harmonic (l * n - l) + q (l - 1) / q (l * n).
Definition spent (D : list nat) (f c : nat) : Q :=
  match f with
  | O => q (length D)
  | S g => q k + bound * q g + 1 + q (Nat.min c l - 1) / q (l * n) +
           (harmonic (l * n - l) - harmonic (Nat.min (l * n - l) (l * n - length D)))
  end.
Definition chance (D : list nat) (f c y : nat) : Q :=
  match f with O => if mem y D then 0 else 1 | _ => absent D c y end.
Definition inv (h : list nat) : Prop := let '(D, f, c) := phase k h in
  is_law (law policy h) /\
  (forall w C, In (w, C) (law policy h) -> NoDup C /\ incl C all /\ (length C <= k)%nat /\
     (f = 0%nat -> forall x, In x C <-> In x D) /\ ((1 <= f)%nat -> length C = k)) /\
  (forall y, In y all -> mean (law policy h) (gone y) == chance D f c y) /\
  expected policy h == spent D f c.

Lemma full_chance D c y : length D = k -> (l <= c)%nat -> absent D c y == if mem y D then 0 else 1.
Proof.
  intros H1 H2. pose proof size. unfold absent. replace (l <=? c)%nat with true by (symmetry; apply Nat.leb_le; auto).
  unfold slots in H1. replace (l * n - length D)%nat with 1%nat by lia. destruct (mem y D); reflexivity.
Qed.
Lemma same_length (C D : list nat) : NoDup C -> NoDup D -> (forall x, In x C <-> In x D) -> length C = length D.
Proof. intros H1 H2 H. apply Nat.le_antisymm; apply NoDup_incl_length; auto; intros x; apply H. Qed.

(* the price of a request *)
Lemma spent_step p h : backwards l n (p :: h) -> let '(D, f, c) := phase k h in let '(D', f', c') := phase k (p :: h) in
  spent D f c + chance D f c p == spent D' f' c'.
Proof.
  intros Hb. pose proof (phase_facts h (proj2 (proj2 Hb))) as F. pose proof (phase_facts (p :: h) Hb) as F'.
  pose proof size as Sz. pose proof (fun D f c => unvisited p h D f c Hb) as Un. cbn [phase] in *.
  assert (Qln : 0 < q (l * n)) by (apply q_pos; lia).
  assert (Z : (1 <= snd (fst (phase k h)))%nat -> h <> []) by (intros H ->; simpl in H; lia).
  destruct (phase k h) as [[D f] c]. specialize (Un D f c eq_refl). destruct F as [F Fc]. cbn [fst snd] in Z.
  assert (Hl : (l <= c)%nat -> (l <= length D)%nat).
  { intros H. pose proof (window_NoDup l n l_pos h (proj2 (proj2 Hb))) as W. pose proof (f_c _ _ _ F).
    replace l with (length (firstn l h)) at 1 by (rewrite firstn_length; lia). apply NoDup_incl_length; auto.
    intros x Hx. apply (f_recent _ _ _ F). rewrite <- (firstn_skipn l (firstn c h)), firstn_firstn.
    replace (Nat.min l c) with l by lia. apply in_or_app. auto. }
  pose proof (f_few _ _ _ F) as Few. unfold slots in Few.
  destruct (mem p D) eqn:M.
  - (* nothing to pay *)
    assert (Hc : (l <= c)%nat).
    { destruct (le_lt_dec l c) as [|C]; auto. specialize (Un C). exfalso. assert (visited D (lay p) = true); [|congruence].
      apply visited_iff. apply mem_In in M. eauto. }
    unfold spent, chance, absent. rewrite M. destruct f; [ring|]. replace (Nat.min (S c) l) with (Nat.min c l) by lia. ring.
  - destruct (length D <? k)%nat eqn:L.
    + apply Nat.ltb_lt in L. unfold slots in L. destruct f as [|g].
      { unfold spent, chance. rewrite M. cbn [length]. rewrite q_S. ring. }
      unfold spent, chance, absent. rewrite M. cbn [length]. destruct (le_lt_dec l c) as [C|C].
      * replace (l <=? c)%nat with true by (symmetry; apply Nat.leb_le; auto). specialize (Hl C).
        replace (Nat.min (S c) l) with (Nat.min c l) by lia. set (u := (l * n - S (length D))%nat).
        replace (l * n - length D)%nat with (S u) by (unfold u; lia).
        replace (Nat.min (l * n - l) (S u)) with (S u) by (unfold u; lia).
        replace (Nat.min (l * n - l) u) with u by (unfold u; lia). cbn [harmonic]. ring.
      * replace (l <=? c)%nat with false by (symmetry; apply Nat.leb_gt; auto). rewrite (Un C).
        pose proof (f_fresh _ _ _ F ltac:(lia)) as Ld. rewrite Ld.
        replace (Nat.min (l * n - l) (l * n - c)) with (l * n - l)%nat by lia.
        replace (Nat.min (l * n - l) (l * n - S c)) with (l * n - l)%nat by lia.
        replace (Nat.min (S c) l - 1)%nat with c by lia.
        specialize (Fc (Z ltac:(lia))). destruct c as [|c]; [lia|].
        replace (Nat.min (S c) l - 1)%nat with c by lia. rewrite q_S, <- q_mult. field. lra.
    + apply Nat.ltb_ge in L. unfold slots in L. assert (Lk : length D = k) by (unfold slots; lia).
      pose proof (f_le _ _ _ F) as L3. assert (C : (l <= c)%nat) by lia.
      assert (Ep : chance D f c p == 1).
      { unfold chance. destruct f; [rewrite M; reflexivity|]. rewrite full_chance by auto. rewrite M. reflexivity. }
      rewrite Ep. cbn [spent length]. replace (Nat.min 1 l - 1)%nat with 0%nat by lia.
      replace (Nat.min (l * n - l) (l * n - 1)) with (l * n - l)%nat by lia.
      assert (Q0 : q 0 == 0) by reflexivity. unfold Qdiv. rewrite Q0. destruct f as [|g]; cbn [spent].
      * rewrite Lk, Q0. ring.
      * rewrite Lk. unfold slots. replace (l * n - (l * n - 1))%nat with 1%nat by lia.
        replace (Nat.min (l * n - l) 1) with 1%nat by nia. replace (Nat.min c l) with l by lia.
        assert (H1 : harmonic 1 == 1) by reflexivity. rewrite H1, q_S. unfold bound, Qdiv. ring.
Qed.

Lemma inv_step p h : backwards l n (p :: h) -> inv h -> inv (p :: h).
Proof.
  intros Hb I. pose proof size as Sz. pose proof (phase_facts h (proj2 (proj2 Hb))) as F.
  pose proof (fun y => absent_step p h y Hb) as As. pose proof (spent_step p h Hb) as Sp. unfold inv in *.
  assert (Pa : In p all) by (apply all_In, Hb).
  assert (Z : (1 <= snd (fst (phase k h)))%nat -> h <> []) by (intros H ->; simpl in H; lia).
  cbn [phase] in *. destruct (phase k h) as [[D f] c]. destruct F as [F Fc]. destruct I as [I1 [I2 [I3 I4]]]. cbn [fst snd] in Z.
  assert (One : forall w C, In (w, C) (law policy h) -> _) by
    (intros w C HC; exact (policy_one C p h Hb (proj1 (I2 w C HC)) (proj1 (proj2 (I2 w C HC))) (proj1 (proj2 (proj2 (I2 w C HC)))))).
  assert (J1 : is_law (law policy (p :: h))) by (cbn [law]; apply bind_law; auto; intros w C HC; apply (One w C HC)).
  assert (J4 : expected policy (p :: h) == spent D f c + chance D f c p).
  { cbn [expected]. rewrite I4, <- (I3 p Pa). rewrite (mean_ext _ _ (gone p)); [reflexivity|].
    intros w C HC. apply (One w C HC). }
  pose proof (f_few _ _ _ F) as Few.
  assert (Size : forall w C, In (w, C) (law policy h) -> f = 0%nat -> length C = length D).
  { intros w C HC Hf. destruct (I2 w C HC) as [X1 [_ [_ [X4 _]]]]. apply same_length; auto. apply (f_nodup _ _ _ F). }
  destruct (Nat.eq_dec f 0) as [F0|F0]; [destruct (le_lt_dec k (length D)) as [K|K]|].
  3: assert (K : True) by auto.
  (* the cache is not full yet *)
  2: { subst f. assert (L : (length D <? k)%nat = true) by (apply Nat.ltb_lt; auto). rewrite L in *.
    assert (J3 : forall y, In y all -> mean (law policy (p :: h)) (gone y) == if (y =? p)%nat then 0 else if mem y D then 0 else 1).
    { intros y Hy. cbn [law]. rewrite mean_bind. rewrite (mean_ext _ _ (fun C => if (y =? p)%nat then 0 else gone y C)).
      - destruct (y =? p)%nat; [|apply (I3 y Hy)]. rewrite (mean_ext _ _ (fun C => 0 * gone p C)); [rewrite mean_mult; ring|].
        intros; ring.
      - intros w C HC. destruct (One w C HC) as [_ [_ [_ O]]]. rewrite (O y Hy).
        replace (length C <? k)%nat with true; [reflexivity|]. symmetry. apply Nat.ltb_lt. rewrite (Size w C HC eq_refl). auto. }
    assert (J2 : forall w C', In (w, C') (law policy (p :: h)) -> NoDup C' /\ incl C' all /\ (length C' <= k)%nat /\
        forall x, In x C' <-> x = p \/ In x D).
    { intros w C' HC'. cbn [law] in HC'. apply bind_In in HC'. destruct HC' as [u [C [v [X1 [X2 _]]]]].
      destruct (One u C X1) as [_ [O _]]. destruct (O v C' X2) as [O1 [O2 [O3 [_ [_ [O6 _]]]]]]. split; [auto|]. split; [auto|].
      split; [auto|]. intros x. rewrite (O6 ltac:(rewrite (Size u C X1 eq_refl); auto)).
      destruct (I2 u C X1) as [_ [_ [_ [X4 _]]]]. rewrite (X4 eq_refl). tauto. }
    destruct (mem p D) eqn:M.
    - split; [exact J1|]. split; [|split; [|rewrite J4; exact Sp]].
      + intros w C' HC'. destruct (J2 w C' HC') as [A1 [A2 [A3 A4]]]. split; [auto|]. split; [auto|]. split; [auto|].
        split; [|lia]. intros _ x. rewrite A4. apply mem_In in M. split; [intros [->|?]; auto|auto].
      + intros y Hy. rewrite (J3 y Hy). cbn [chance]. destruct (y =? p)%nat eqn:E; [|reflexivity].
        apply Nat.eqb_eq in E. subst y. rewrite M. reflexivity.
    - split; [exact J1|]. split; [|split; [|rewrite J4; exact Sp]].
      + intros w C' HC'. destruct (J2 w C' HC') as [A1 [A2 [A3 A4]]]. split; [auto|]. split; [auto|]. split; [auto|].
        split; [|lia]. intros _ x. rewrite A4. cbn [In]. split; [intros [->|?]; auto|intros [<-|?]; auto].
      + intros y Hy. rewrite (J3 y Hy). cbn [chance]. destruct (y =? p)%nat eqn:E.
        * apply Nat.eqb_eq in E. subst y. replace (mem p (p :: D)) with true; [reflexivity|]. symmetry. apply mem_In. left; auto.
        * apply Nat.eqb_neq in E. replace (mem y (p :: D)) with (mem y D); [reflexivity|]. apply eq_true_iff_eq.
          rewrite !mem_In. simpl. split; [auto|intros [?|?]; [congruence|auto]]. }
  (* it is full *)
  all: assert (Full : length D = k \/ (1 <= f)%nat) by (first [left; lia|right; lia]).
  all: assert (Size2 : forall w C, In (w, C) (law policy h) -> length C = k) by
    (intros w C HC; destruct (I2 w C HC) as [_ [_ [_ [_ X5]]]]; first [rewrite (Size w C HC F0); lia|apply X5; lia]).
  all: assert (C1 : (1 <= c)%nat) by (pose proof (f_le _ _ _ F); unfold slots in *; first [lia|apply Fc, Z; lia]).
  all: assert (Ch : forall y, chance D f c y == absent D c y) by
    (intros y; unfold chance; destruct f; [|reflexivity]; symmetry; apply full_chance; [lia|pose proof (f_le _ _ _ F); unfold slots in *; lia]).
  all: assert (J3 : forall y, In y all -> mean (law policy (p :: h)) (gone y) ==
    (if (y =? p)%nat then 0 else absent D c y + absent D c p * aim (p :: h) y)) by
    (intros y Hy; cbn [law]; rewrite mean_bind;
     rewrite (mean_ext _ _ (fun C => if (y =? p)%nat then 0 else gone y C + aim (p :: h) y * gone p C));
     [destruct (y =? p)%nat;
       [rewrite (mean_ext _ _ (fun C => 0 * gone p C)); [rewrite mean_mult; ring|intros; ring]
       |rewrite mean_plus, mean_mult, (I3 y Hy), (I3 p Pa), !Ch; ring]
     |intros w C HC; destruct (One w C HC) as [_ [_ [_ O]]]; rewrite (O y Hy);
      replace (length C <? k)%nat with false by (symmetry; apply Nat.ltb_ge; rewrite (Size2 w C HC); auto);
      destruct (y =? p)%nat; ring]).
  all: assert (J2 : forall w C', In (w, C') (law policy (p :: h)) -> NoDup C' /\ incl C' all /\ length C' = k /\
        (f = 0%nat -> In p D -> forall x, In x C' <-> In x D)) by
    (intros w C' HC'; cbn [law] in HC'; apply bind_In in HC'; destruct HC' as [u [C [v [X1 [X2 _]]]]];
     destruct (One u C X1) as [_ [O _]]; destruct (O v C' X2) as [O1 [O2 [_ [_ [O5 [_ O7]]]]]];
     split; [auto|]; split; [auto|]; split; [apply O5; apply (Size2 u C X1)|];
     intros Hf Hp; destruct (I2 u C X1) as [_ [_ [_ [X4 _]]]]; rewrite (O7 (proj2 (X4 Hf p) Hp)); auto).
  all: destruct (mem p D) eqn:M; [|destruct (length D <? k)%nat eqn:L].
  all: split; [exact J1|split; [|split; [|rewrite J4; exact Sp]]].
  all: try (apply Nat.ltb_lt in L).
  all: try (intros w C' HC'; destruct (J2 w C' HC') as [A1 [A2 [A3 A4]]]; split; [auto|]; split; [auto|]; split; [lia|];
    split; [intros Hf; first [apply A4; auto; apply mem_In; auto|lia]|intros _; auto]).
  all: intros y Hy; rewrite (J3 y Hy), (As y Hy Full C1).
  all: unfold chance; try reflexivity.
  all: destruct f; [|reflexivity]; first [lia|apply full_chance; [lia|pose proof (f_le _ _ _ F); unfold slots in *; lia]].
Qed.

Lemma inv_all h : backwards l n h -> inv h.
Proof.
  pose proof size as Sz. induction h as [|p h IH]; intros Hb; [|apply inv_step; auto; apply IH, Hb].
  unfold inv. cbn [phase law expected spent]. split; [split; [intros w x [[= <- <-]|[]]; lra|simpl; ring]|]. split; [|split].
  - intros w C [[= <- <-]|[]]. split; [constructor|]. split; [intros x []|]. split; [simpl; lia|]. split; [tauto|lia].
  - intros y Hy. unfold gone, chance, mem. simpl. ring.
  - reflexivity.
Qed.

Lemma policy_randomized : randomized policy l n k.
Proof.
  intros p h Hb w C HC. apply layered_backwards in Hb. pose proof (inv_all h (proj2 (proj2 Hb))) as I. unfold inv in I.
  destruct (phase k h) as [[D f] c]. destruct I as [_ [I2 _]]. destruct (I2 w C HC) as [H1 [H2 [H3 _]]].
  destruct (policy_one C p h Hb H1 H2 H3) as [O1 [O2 _]]. split; auto. intros v C' HC'. destruct (O2 v C' HC') as [A1 [_ [A3 [A4 _]]]].
  split; [split; auto|auto].
Qed.

Lemma harmonic_1 m : (1 <= m)%nat -> 1 <= harmonic m.
Proof.
  induction m as [|m IH]; intros H; [lia|]. cbn [harmonic]. destruct m; [unfold Qle; simpl; lia|].
  specialize (IH ltac:(lia)). pose proof (q_inv (S (S m))). lra.
Qed.
Lemma policy_bound h m : layered l n 0 (rev h) -> schedule k [] (rev h) m -> expected policy h <= bound * q m + q k.
Proof.
  intros Hb Hs. apply layered_backwards in Hb. pose proof size as Sz. pose proof (inv_all h Hb) as I. unfold inv in I.
  assert (Kp : (1 <= k)%nat) by (unfold slots; lia). pose proof (phases_paid k Kp h m Hs) as Fm.
  pose proof (phase_facts h Hb) as F. destruct (phase k h) as [[D f] c]. cbn [fst snd] in Fm. destruct I as [_ [_ [_ I4]]].
  destruct F as [F _]. rewrite I4.
  assert (Qln : 0 < q (l * n)) by (apply q_pos; lia).
  assert (HN : 1 <= harmonic (l * n - l)) by (apply harmonic_1; nia).
  assert (Hq : 0 <= q (l - 1) / q (l * n)) by (apply Qle_shift_div_l; [auto|pose proof (q_0 (l - 1)); lra]).
  assert (Bp : 0 <= bound) by (unfold bound; lra).
  destruct f as [|g]; cbn [spent].
  - pose proof (q_le _ _ (f_few _ _ _ F)). assert (0 <= bound * q m) by (apply Qmult_le_0_compat; [auto|apply q_0]). lra.
  - assert (E : q (S g) <= q m) by (apply q_le; auto). rewrite q_S in E.
    assert (E2 : bound * (q g + 1) <= bound * q m).
    { rewrite !(Qmult_comm bound). apply Qmult_le_compat_r; auto. }
    assert (H1 : 1 <= harmonic (Nat.min (l * n - l) (l * n - length D))).
    { apply harmonic_1. pose proof (f_few _ _ _ F) as Few. unfold slots in Few. nia. }
    assert (H2 : q (Nat.min c l - 1) / q (l * n) <= q (l - 1) / q (l * n)).
    { unfold Qdiv. apply Qmult_le_compat_r; [apply q_le; lia|apply q_inv]. }
    assert (E3 : bound * (q g + 1) == bound * q g + bound) by ring. unfold bound in E3 at 3. lra.
Qed.
End Policy.

Theorem randomized_one_short : forall l n k, (1 <= l)%nat -> (2 <= n)%nat -> (k + 1 = l * n)%nat ->
  exists kernel, randomized kernel l n k /\ forall h m, layered l n 0 (rev h) -> schedule k [] (rev h) m ->
  expected kernel h <= (harmonic (k - l + 1) + q (l - 1) / q (k + 1)) * q m + q k.
Proof.
  intros l n k Hl Hn Hk. exists (policy l n). assert (E : k = slots l n) by (unfold slots; lia).
  split; [rewrite E; apply policy_randomized; auto|]. intros h m H1 H2. rewrite Hk.
  replace (k - l + 1)%nat with (l * n - l)%nat by (pose proof (size l n Hn); lia). rewrite E in *. apply policy_bound; auto.
Qed.
