(* LRU has a ratio of at least k for 2 l - 1 <= k <= l n - 1: also where l does not divide k + 1.
   There are k + 1 pages, two at least in each layer.  In a phase LRU misses k pages, each when it is the least recent one;
   the schedule misses once.  Between the phases the order of LRU's pages is arranged by requests that are free for both: the
   next l pages to be missed must lie in consecutive layers, because no other page may be requested before them. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Layers Lower Cyclic Attack.
Import ListNotations.

Section Phases.
Variables l n k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis n_two : 2 <= n.
Hypothesis k_large : 2 * l <= k + 1.
Variable U : list nat.
Hypothesis U_NoDup : NoDup U.
Hypothesis U_length : length U = k + 1.
Hypothesis U_small : forall p, In p U -> p < l * n.
Hypothesis U_two : incl (cycle l n 2) U.

Definition inside (h : list nat) : Prop := backwards l n h /\ l <= length h /\ incl h U.
Definition full (h : list nat) : Prop := inside h /\ incl U h.

Lemma inside_more p h : inside h -> In p U -> layer n p = length h mod l -> inside (p :: h).
Proof.
  intros [H1 [H2 H3]] Hp Ht. split; [simpl; auto|]. split; [simpl; lia|]. intros x [<-|Hx]; auto.
Qed.
Lemma full_more s h : full h -> inside (s ++ h) -> full (s ++ h).
Proof. intros [_ H] Hi. split; auto. intros x Hx. apply in_or_app. auto. Qed.
Lemma window_in h x : In x (window l h) -> In x h.
Proof. unfold window. rewrite <- in_rev. apply In_firstn. Qed.
Lemma window_cons h : inside h -> exists q W, window l h = q :: W.
Proof.
  intros [_ [H _]]. destruct (window l h) as [|q W] eqn:E; [|eauto].
  assert (L : length (window l h) = l) by (unfold window; rewrite rev_length, firstn_length; lia). rewrite E in L. simpl in L. lia.
Qed.
Lemma window_apart_layers h x y : inside h -> In x (window l h) -> In y (window l h) -> layer n x = layer n y -> x = y.
Proof.
  intros [H _] Hx Hy E. unfold window in *. rewrite <- in_rev in Hx, Hy. pose proof (window_layers l n l_pos h H) as D.
  revert D Hx Hy. generalize (firstn l h). induction l0 as [|z r IH]; simpl; [tauto|]. intros D Hx Hy.
  inversion D as [|u v D1 D2]; subst. destruct Hx as [<-|Hx], Hy as [<-|Hy]; auto; exfalso; apply D1.
  - rewrite E. apply in_map; auto.
  - rewrite <- E. apply in_map; auto.
Qed.
Lemma older_in h x : full h -> In x U -> ~ In x (window l h) -> In x (older l h).
Proof.
  intros [[H1 [H2 _]] H3] Hx Hw. apply H3, recency_In in Hx. rewrite (recency_window l n l_pos h H1 H2) in Hx.
  apply in_app_or in Hx. destruct Hx as [Hx|Hx]; auto. exfalso. apply Hw. unfold window. rewrite <- in_rev. auto.
Qed.
Lemma older_inside h x : inside h -> In x (older l h) -> In x U.
Proof.
  intros [_ [_ H]] Hx. apply H, recency_In. unfold older in Hx. rewrite <- (firstn_skipn l (recency h)). apply in_or_app. auto.
Qed.
Lemma older_length h : full h -> length (older l h) = k + 1 - l.
Proof.
  intros [[H1 [H2 H3]] H4]. assert (E : length (recency h) = length U).
  { apply Nat.le_antisymm; apply NoDup_incl_length; auto; [apply recency_NoDup| |]; intros x Hx.
    - apply H3, recency_In; auto.
    - apply recency_In, H4; auto. }
  rewrite (recency_window l n l_pos h H1 H2), app_length, firstn_length in E. lia.
Qed.

(* waiting: requests to the window until a layer is due *)
Lemma wait d : forall h, inside h -> exists s, length s = d /\ inside (s ++ h) /\ older l (s ++ h) = older l h /\
  incl s (window l h) /\ (forall y, In y (window l (s ++ h)) <-> In y (window l h)).
Proof.
  induction d as [|d IH]; intros h H; [exists []; simpl; split; auto; split; auto; split; auto; split; [intros x []|tauto]|].
  destruct (window_cons h H) as [q [W E]]. destruct H as [H1 [H2 H3]].
  destruct (again l n l_pos h q W H1 H2 E) as [A1 [A2 A3]].
  destruct (IH (q :: h)) as [s [S1 [S2 [S3 [S4 S5]]]]].
  { split; auto. split; [simpl; lia|]. intros x [<-|Hx]; auto. apply H3, window_in. rewrite E. left; auto. }
  assert (Same : forall y, In y (window l (q :: h)) <-> In y (window l h)).
  { intros y. rewrite A2, E, in_app_iff. simpl. tauto. }
  exists (s ++ [q]). rewrite <- app_assoc. simpl app. split; [rewrite app_length; simpl; lia|]. split; auto. split; [congruence|].
  split.
  - intros x Hx. apply in_app_or in Hx. destruct Hx as [Hx|[<-|[]]]; [apply Same; auto|rewrite E; left; auto].
  - intros y. rewrite S5. apply Same.
Qed.
Lemma reach j h : inside h -> j < l -> exists s, length (s ++ h) mod l = j /\ inside (s ++ h) /\ older l (s ++ h) = older l h /\
  incl s (window l h) /\ (forall y, In y (window l (s ++ h)) <-> In y (window l h)).
Proof.
  intros H Hj. destruct (wait (j + l - length h mod l) h H) as [s [S1 S2]]. exists s. split; auto.
  rewrite app_length, S1. pose proof (Nat.mod_upper_bound (length h) l ltac:(lia)).
  rewrite <- Nat.add_mod_idemp_r by lia. replace (j + l - length h mod l + length h mod l) with (j + 1 * l) by lia.
  rewrite Nat.mod_add by lia. apply Nat.mod_small; auto.
Qed.
Lemma layer_small p : In p U -> layer n p < l.
Proof. intros H. apply U_small in H. unfold layer. apply Nat.div_lt_upper_bound; lia. Qed.

(* an older page goes on top of the older ones *)
Lemma lift p h X Y : full h -> older l h = X ++ p :: Y -> exists s, full (s ++ h) /\ older l (s ++ h) = p :: X ++ Y /\
  forall y, In y s -> y = p \/ In y (window l h).
Proof.
  intros Hf Ho. assert (Hi := proj1 Hf).
  assert (Pu : In p U) by (apply (older_inside h); auto; rewrite Ho; apply in_or_app; right; left; auto).
  destruct (reach (layer n p) h Hi (layer_small p Pu)) as [s1 [A1 [A2 [A3 [A4 A5]]]]]. set (h1 := s1 ++ h) in *.
  assert (B := inside_more p h1 A2 Pu (eq_sym A1)).
  destruct (request l n l_pos p h1 (proj1 B) (proj1 (proj2 A2))) as [q [W [R1 [R2 [R3 [R4 R5]]]]]].
  pose proof (older_NoDup l h) as D. rewrite Ho in D. apply NoDup_remove in D. destruct D as [D1 D2].
  assert (Qo : ~ In q (older l h)).
  { rewrite <- A3. apply (window_apart l n l_pos); [apply A2|apply A2|]. rewrite R1. left; auto. }
  assert (Npq : p <> q) by (intros ->; apply Qo; rewrite Ho; apply in_or_app; right; left; auto).
  assert (O2 : older l (p :: h1) = q :: X ++ Y).
  { rewrite R5, A3, Ho. simpl. destruct (Nat.eq_dec p q) as [|_]; [congruence|]. f_equal.
    rewrite remove_app. simpl. destruct (Nat.eq_dec p p) as [_|]; [|congruence]. rewrite in_app_iff in D2.
    rewrite !notin_remove by tauto. auto. }
  destruct (reach (layer n p) (p :: h1) B (layer_small p Pu)) as [s2 [C1 [C2 [C3 [C4 C5]]]]]. set (h2 := s2 ++ p :: h1) in *.
  assert (Qu : In q U) by (apply A2, window_in; rewrite R1; left; auto).
  assert (E := inside_more q h2 C2 Qu ltac:(rewrite C1; congruence)).
  destruct (request l n l_pos q h2 (proj1 E) (proj1 (proj2 C2))) as [q' [W' [T1 [T2 [T3 [T4 T5]]]]]].
  assert (q' = p).
  { apply (window_apart_layers h2); auto; [rewrite T1; left; auto| |congruence].
    apply C5. rewrite R2. apply in_or_app. right; left; auto. }
  subst q'. exists (q :: s2 ++ p :: s1). split; [|split].
  - apply full_more; auto. simpl. rewrite <- app_assoc. exact E.
  - simpl app. rewrite <- app_assoc. simpl app. fold h1. fold h2. rewrite T5, C3, O2. simpl.
    destruct (Nat.eq_dec q p) as [|_]; [congruence|]. destruct (Nat.eq_dec q q) as [_|]; [|congruence]. f_equal.
    apply notin_remove. intros H. apply Qo. rewrite Ho, in_app_iff. apply in_app_or in H. simpl. tauto.
  - assert (Q1 : In q (window l h)) by (apply A5; rewrite R1; left; auto).
    intros y Hy. cbn [In] in Hy. rewrite in_app_iff in Hy. cbn [In] in Hy. destruct Hy as [<-|[Hy|[<-|Hy]]]; auto.
    apply C4 in Hy. rewrite R2 in Hy. apply in_app_or in Hy. destruct Hy as [Hy|[<-|[]]]; auto.
    right. apply A5. rewrite R1. right; auto.
Qed.

Lemma lifts L : forall h T X x, full h -> older l h = T ++ X ++ [x] -> NoDup L -> incl L X -> exists s X',
  full (s ++ h) /\ older l (s ++ h) = rev L ++ T ++ X' ++ [x] /\ (forall y, In y X' <-> In y X /\ ~ In y L) /\ ~ In x s.
Proof.
  induction L as [|p L IH]; intros h T X x Hf Ho Hd Hi.
  - exists [], X. simpl. split; auto. split; auto. split; [tauto|auto].
  - inversion Hd as [|u v D1 D2]; subst. destruct (in_split p X (Hi p (or_introl eq_refl))) as [X1 [X2 ->]].
    assert (Ho2 : older l h = (T ++ X1) ++ p :: X2 ++ [x]) by (rewrite Ho, <- !app_assoc; auto).
    destruct (lift p h _ _ Hf Ho2) as [s1 [S1 [S2 S3]]].
    pose proof (older_NoDup l h) as D. rewrite Ho2 in D. apply NoDup_remove in D. destruct D as [_ D].
    rewrite !in_app_iff in D. simpl in D.
    destruct (IH (s1 ++ h) (p :: T) (X1 ++ X2) x S1) as [s2 [X' [A1 [A2 [A3 A4]]]]]; auto.
    { rewrite S2, <- !app_assoc. auto. }
    { intros y Hy. assert (Hy2 : In y (X1 ++ p :: X2)) by (apply Hi; right; auto). rewrite in_app_iff in *. simpl in Hy2.
      destruct Hy2 as [?|[<-|?]]; auto. tauto. }
    exists (s2 ++ s1), X'. rewrite <- app_assoc. split; auto. split; [|split].
    + rewrite A2. simpl rev. rewrite <- !app_assoc. auto.
    + intros y. rewrite A3, !in_app_iff. simpl. split.
      * intros [Y1 Y2]. split; [tauto|]. intros [<-|?]; tauto.
      * intros [[Y1|[<-|Y1]] Y2]; [split; [auto|tauto]|tauto|split; [auto|tauto]].
    + rewrite in_app_iff. intros [H|H]; [auto|]. apply S3 in H. destruct H as [->|H]; [apply D; right; right; left; auto|].
      apply (window_apart l n l_pos h x); [apply Hf|apply Hf|auto|].
      rewrite Ho, !in_app_iff. right; right; left; auto.
Qed.

(* the order before a phase: the least recent pages are x and one page of each other layer, in the order of the layers *)
Lemma arrange h X x : full h -> older l h = X ++ [x] -> exists s M zs,
  full (s ++ h) /\ length (s ++ h) mod l = layer n x /\ older l (s ++ h) = M ++ rev (x :: zs) /\ length zs = l - 1 /\
  (forall i, i < l - 1 -> layer n (nth i zs 0) = (layer n x + 1 + i) mod l) /\ ~ In x s.
Proof.
  intros Hf Ho. assert (Xu : In x U) by (apply (older_inside h); [apply Hf|rewrite Ho; apply in_or_app; right; left; auto]).
  assert (Some : forall j, j < l -> j <> layer n x -> exists p, In p X /\ layer n p = j).
  { intros j Hj Nj. assert (C : forall e, e < 2 -> In (j * n + e) U).
    { intros e He. apply U_two. unfold cycle. apply in_map_iff. exists (j + e * l).
      split; [|apply in_seq; nia]. rewrite Nat.mod_add, Nat.div_add, Nat.mod_small, Nat.div_small by lia. lia. }
    assert (O : exists e, e < 2 /\ In (j * n + e) (older l h)).
    { destruct (in_dec Nat.eq_dec (j * n + 0) (window l h)) as [W0|W0]; [|exists 0; split; [lia|apply older_in; auto; apply C; lia]].
      destruct (in_dec Nat.eq_dec (j * n + 1) (window l h)) as [W1|W1]; [|exists 1; split; [lia|apply older_in; auto; apply C; lia]].
      exfalso. pose proof (window_apart_layers h _ _ (proj1 Hf) W0 W1) as E. rewrite !layer_page in E by lia.
      specialize (E eq_refl). lia. }
    destruct O as [e [E1 E2]]. exists (j * n + e). rewrite layer_page by lia. split; auto.
    rewrite Ho in E2. apply in_app_or in E2. destruct E2 as [E2|[E2|[]]]; auto. exfalso. apply Nj. rewrite E2, layer_page; lia. }
  set (pick := fun i => hd 0 (filter (fun p => layer n p =? (layer n x + 1 + i) mod l) X)).
  set (zs := map pick (seq 0 (l - 1))).
  assert (Pick : forall i, i < l - 1 -> In (pick i) X /\ layer n (pick i) = (layer n x + 1 + i) mod l).
  { intros i Hi. destruct (Some ((layer n x + 1 + i) mod l)) as [p [P1 P2]].
    - apply Nat.mod_upper_bound. lia.
    - pose proof (layer_small x Xu) as Lx. rewrite <- (Nat.mod_small (layer n x) l Lx) at 2.
      rewrite <- Nat.add_assoc. apply mod_apart; lia.
    - assert (H : In (pick i) (filter (fun p => layer n p =? (layer n x + 1 + i) mod l) X)).
      { assert (Hp : In p (filter (fun p => layer n p =? (layer n x + 1 + i) mod l) X))
          by (apply filter_In; split; auto; apply Nat.eqb_eq; auto).
        unfold pick. destruct (filter _ X); [inversion Hp|left; auto]. }
      apply filter_In in H. destruct H as [H1 H2]. apply Nat.eqb_eq in H2. auto. }
  assert (Zd : NoDup zs).
  { apply NoDup_nth with (d := pick 0). unfold zs. rewrite map_length, seq_length. intros i j Hi Hj E.
    rewrite !map_nth, !seq_nth in E by lia. simpl in E.
    destruct (Pick i Hi) as [_ Ei], (Pick j Hj) as [_ Ej]. rewrite E, Ej in Ei.
    destruct (lt_eq_lt_dec i j) as [[C|C]|C]; auto; exfalso.
    - apply (mod_apart l l_pos (layer n x + 1 + i) (j - i)); try lia. rewrite <- Ei. f_equal. lia.
    - apply (mod_apart l l_pos (layer n x + 1 + j) (i - j)); try lia. rewrite Ei. f_equal. lia. }
  assert (Zi : incl zs X).
  { intros p Hp. apply in_map_iff in Hp. destruct Hp as [i [<- Hi]]. apply in_seq in Hi. apply Pick. lia. }
  set (others := filter (fun p => negb (mem p zs)) X).
  assert (Xd : NoDup X).
  { pose proof (older_NoDup l h) as D. rewrite Ho in D. apply NoDup_remove in D. rewrite app_nil_r in D. tauto. }
  destruct (lifts (zs ++ others) h [] X x Hf Ho) as [s1 [X' [A1 [A2 [A3 A4]]]]].
  { apply NoDup_app_; auto; [apply NoDup_filter; auto|]. intros p H1 H2. apply filter_In in H2. destruct H2 as [_ H2].
    apply negb_true_iff in H2. apply mem_In in H1. congruence. }
  { intros p Hp. apply in_app_or in Hp. destruct Hp as [Hp|Hp]; auto. apply filter_In in Hp. tauto. }
  assert (X' = []).
  { destruct X' as [|y r]; auto. exfalso. destruct (proj1 (A3 y) (or_introl eq_refl)) as [Y1 Y2]. apply Y2, in_or_app.
    destruct (in_dec Nat.eq_dec y zs); auto. right. apply filter_In. split; auto.
    apply negb_true_iff, not_true_iff_false. rewrite mem_In. auto. }
  subst X'. destruct (reach (layer n x) (s1 ++ h) (proj1 A1) (layer_small x Xu)) as [s2 [B1 [B2 [B3 [B4 B5]]]]].
  exists (s2 ++ s1), (rev others), zs. rewrite <- app_assoc. split; [apply full_more; auto|]. split; auto. split; [|split; [|split]].
  - rewrite B3, A2, rev_app_distr. simpl. rewrite <- app_assoc. auto.
  - unfold zs. rewrite map_length, seq_length. auto.
  - intros i Hi. unfold zs. rewrite nth_indep with (d' := pick 0) by (rewrite map_length, seq_length; auto).
    rewrite map_nth, seq_nth by auto. apply Pick. auto.
  - rewrite in_app_iff. intros [H|H]; [|auto]. apply B4 in H.
    apply (window_apart l n l_pos (s1 ++ h) x); [apply A1|apply A1|auto|]. rewrite A2, !in_app_iff. right; right; right; left; auto.
Qed.

(* the rest of a phase: the least recent page, again and again *)
Lemma rest c : forall h A B, full h -> older l h = A ++ B -> length B = S c -> exists s X x,
  full (s ++ h) /\ older l (s ++ h) = X ++ [x] /\ In x B /\ ~ In x s /\ misses (lru k) h + c <= misses (lru k) (s ++ h).
Proof.
  induction c as [|c IH]; intros h A B Hf Ho HB.
  - destruct B as [|x [|]]; try discriminate. exists [], A, x. cbn [app].
    split; [auto|]. split; [auto|]. split; [left; auto|]. split; [intros []|lia].
  - destruct (exists_last (l := B) ltac:(intros ->; discriminate)) as [B' [p ->]]. rewrite app_length in HB. simpl in HB.
    assert (Pu : In p U).
    { apply (older_inside h); [apply Hf|]. rewrite Ho, !in_app_iff. right; right; left; auto. }
    destruct (reach (layer n p) h (proj1 Hf) (layer_small p Pu)) as [s1 [A1 [A2 [A3 [A4 A5]]]]].
    assert (Hp := inside_more p (s1 ++ h) A2 Pu (eq_sym A1)).
    pose proof (older_length h Hf) as L. rewrite Ho, !app_length in L. simpl in L.
    destruct (attack l n l_pos k ltac:(lia) (s1 ++ h) p (A ++ B') (proj1 Hp) (proj1 (proj2 A2))) as [M [q [W [W1 [W2 W3]]]]].
    { rewrite A3, Ho, app_assoc. auto. }
    { rewrite app_length. lia. }
    destruct (IH (p :: s1 ++ h) (q :: A) B') as [s2 [X [x [S1 [S2 [S3 [S4 S5]]]]]]]; [|exact W3|lia|].
    { apply (full_more (p :: s1)); auto. }
    exists (s2 ++ p :: s1), X, x. rewrite <- app_assoc. simpl app. split; auto. split; auto.
    split; [apply in_or_app; auto|]. split.
    + rewrite in_app_iff. intros [H|[H|H]]; auto.
      * subst x. pose proof (older_NoDup l h) as D. rewrite Ho, app_assoc in D. apply NoDup_remove in D. destruct D as [_ D].
        rewrite app_nil_r in D. apply D, in_or_app. auto.
      * apply A4 in H. apply (window_apart l n l_pos h x); [apply Hf|apply Hf|auto|]. rewrite Ho, !in_app_iff. auto.
    + pose proof (misses_more (lru k) s1 h). lia.
Qed.

Lemma phase h X x : full h -> older l h = X ++ [x] -> exists s1 s2 X' x', full (s2 ++ s1 ++ h) /\
  older l (s2 ++ s1 ++ h) = X' ++ [x'] /\ ~ In x s1 /\ ~ In x' s2 /\ s2 <> [] /\
  misses (lru k) h + k <= misses (lru k) (s2 ++ s1 ++ h).
Proof.
  intros Hf Ho. destruct (arrange h X x Hf Ho) as [s1 [M [zs [A1 [A2 [A3 [A4 [A5 A6]]]]]]]].
  set (h1 := s1 ++ h) in *. pose proof (older_length h1 A1) as L.
  assert (Zu : incl (x :: zs) U).
  { intros p Hp. apply (older_inside h1); [apply A1|]. rewrite A3. apply in_or_app. right. apply in_rev in Hp. auto. }
  assert (Hb : backwards l n (rev (x :: zs) ++ h1)).
  { apply backwards_app. split; [apply A1|]. apply fits_layered; [auto|]. intros i Hi. split; [apply U_small, Zu, nth_In; auto|].
    destruct i as [|i]; simpl nth.
    - rewrite Nat.add_0_r, A2. auto.
    - simpl in Hi. rewrite A5 by lia. rewrite <- A2, <- Nat.add_assoc, Nat.add_mod_idemp_l by lia. f_equal; lia. }
  destruct (attack_all l n l_pos k ltac:(lia) (x :: zs) h1 M (window l h1) [] Hb) as [B1 [B2 B3]].
  { apply A1. }
  { exact A3. }
  { rewrite app_nil_r. auto. }
  { unfold window. rewrite rev_length, firstn_length. destruct A1 as [[_ [A1 _]] _]. simpl. lia. }
  { lia. }
  set (h2 := rev (x :: zs) ++ h1) in *.
  assert (F2 : full h2).
  { apply full_more; auto. split; [exact Hb|]. split; [unfold h2; rewrite app_length; destruct A1 as [[_ [A1 _]] _]; lia|].
    intros p Hp. apply in_app_or in Hp. destruct Hp as [Hp|Hp]; [apply Zu, in_rev; auto|apply A1; auto]. }
  destruct (rest (k - l) h2 [] (older l h2) F2 eq_refl) as [s2 [X' [x' [C1 [C2 [C3 [C4 C5]]]]]]].
  { rewrite older_length by auto. lia. }
  exists s1, (s2 ++ rev (x :: zs)), X', x'. rewrite <- app_assoc. fold h1. fold h2. split; auto. split; auto. split; auto.
  split; [|split; [intros E; apply app_eq_nil in E; destruct E as [_ E]; simpl in E; destruct (rev zs); discriminate|]].
  - rewrite in_app_iff. intros [H|H]; auto. apply (window_apart l n l_pos h2 x'); [exact Hb|apply F2| |auto].
    rewrite B2. simpl app. apply in_rev. auto.
  - simpl length in B1. rewrite A4 in B1. pose proof (misses_more (lru k) s1 h) as M1. fold h1 in M1. lia.
Qed.

(* the schedule holds all pages but x *)
Definition but (x : nat) : cache := remove Nat.eq_dec x U.
Lemma but_cache x : In x U -> is_cache k (but x).
Proof. intros H. split; [apply NoDup_remove_eq; auto|]. pose proof (length_remove x U U_NoDup H). unfold but. lia. Qed.
Lemma free s : forall x, In x U -> incl s U -> ~ In x s -> runs k (but x) s 0 (but x).
Proof.
  induction s as [|p s IH]; intros x Hx Hi Hn; [constructor|]. simpl in Hn.
  replace 0 with (length (minus (but x) (but x)) + 0) by (rewrite minus_self; auto). constructor.
  - apply but_cache; auto.
  - apply in_in_remove; [tauto|apply Hi; left; auto].
  - apply IH; [auto| |tauto]. intros y Hy. apply Hi. right; auto.
Qed.
Lemma move p s x x' : In x U -> In x' U -> incl (p :: s) U -> ~ In x' (p :: s) ->
  exists m, m <= 1 /\ runs k (but x) (p :: s) m (but x').
Proof.
  intros Hx Hx' Hi Hn. exists (length (minus (but x') (but x)) + 0). split.
  - rewrite Nat.add_0_r. change 1 with (length [x]). apply NoDup_incl_length; [apply minus_NoDup, NoDup_remove_eq; auto|].
    intros y Hy. apply minus_In in Hy. destruct Hy as [Y1 Y2]. apply in_remove in Y1.
    destruct (Nat.eq_dec x y); [left; auto|]. exfalso. apply Y2, in_in_remove; [auto|tauto].
  - constructor; [apply but_cache; auto| |].
    + apply in_in_remove; [simpl in Hn; tauto|apply Hi; left; auto].
    + apply free; [auto| |simpl in Hn; tauto]. intros y Hy. apply Hi. right; auto.
Qed.

Lemma phases N : forall h X x, full h -> older l h = X ++ [x] -> exists s m d, inside (s ++ h) /\
  misses (lru k) h + N * k <= misses (lru k) (s ++ h) /\ m <= N /\ runs k (but x) (rev s) m d.
Proof.
  induction N as [|N IH]; intros h X x Hf Ho.
  - exists [], 0, (but x). split; [apply Hf|]. split; [simpl; lia|]. split; auto. constructor.
  - destruct (phase h X x Hf Ho) as [s1 [s2 [X' [x' [P1 [P2 [P3 [P4 [P5 P6]]]]]]]]].
    destruct (IH _ X' x' P1 P2) as [s [m [d [S1 [S2 [S3 S4]]]]]].
    assert (Iu : incl (s2 ++ s1) U).
    { intros y Hy. apply (proj1 P1). rewrite app_assoc. apply in_or_app. auto. }
    assert (Xu : In x U) by (apply (older_inside h); [apply Hf|rewrite Ho; apply in_or_app; right; left; auto]).
    assert (Xu' : In x' U) by (apply (older_inside (s2 ++ s1 ++ h)); [apply P1|rewrite P2; apply in_or_app; right; left; auto]).
    assert (R1 : runs k (but x) (rev s1) 0 (but x)).
    { apply free; auto; [|rewrite <- in_rev; auto]. intros y Hy. apply Iu, in_or_app. rewrite <- in_rev in Hy. auto. }
    assert (R2 : exists m2, m2 <= 1 /\ runs k (but x) (rev s2) m2 (but x')).
    { assert (I2 : incl (rev s2) U) by (intros y Hy; apply Iu, in_or_app; rewrite <- in_rev in Hy; auto).
      assert (N2 : ~ In x' (rev s2)) by (rewrite <- in_rev; auto).
      destruct (rev s2) as [|p r] eqn:E; [|apply move; auto].
      exfalso. apply P5. rewrite <- (rev_involutive s2), E. auto. }
    destruct R2 as [m2 [M1 M2]].
    exists (s ++ s2 ++ s1), (0 + (m2 + m)), d. rewrite <- !app_assoc. split; auto. split; [simpl; lia|]. split; [lia|].
    rewrite !rev_app_distr, <- app_assoc. eapply runs_app; eauto. eapply runs_app; eauto.
Qed.

(* a beginning in which every page is requested *)
Lemma visit L : forall h, inside h -> incl L U -> exists s, inside (s ++ h) /\ incl L (s ++ h).
Proof.
  induction L as [|p L IH]; intros h H Hi; [exists []; split; [auto|intros x []]|].
  assert (Pu : In p U) by (apply Hi; left; auto).
  destruct (reach (layer n p) h H (layer_small p Pu)) as [s1 [A1 [A2 _]]].
  destruct (IH (p :: s1 ++ h) (inside_more p _ A2 Pu (eq_sym A1))) as [s2 [S1 S2]]; [intros x Hx; apply Hi; right; auto|].
  exists (s2 ++ p :: s1). rewrite <- app_assoc. simpl app. split; auto.
  intros x [<-|Hx]; [apply in_or_app; right; left; auto|auto].
Qed.
Lemma beginning : exists h, full h.
Proof.
  assert (H : inside (rev (cycle l n 1))).
  { split; [|split].
    - rewrite <- (app_nil_r (rev (cycle l n 1))). apply backwards_app. split; [simpl; auto|].
      apply fits_layered, cycle_fits; lia.
    - rewrite rev_length, cycle_length. lia.
    - intros p Hp. apply U_two. rewrite <- in_rev in Hp. unfold cycle in *. apply in_map_iff in Hp. destruct Hp as [i [<- Hi]].
      apply in_map_iff. exists i. split; auto. apply in_seq in Hi. apply in_seq. lia. }
  destruct (visit U _ H (incl_refl U)) as [s [S1 S2]]. eexists. split; eauto.
Qed.

Lemma lower P Q : at_most l n k (misses (lru k)) P Q -> Q * k <= P.
Proof.
  intros H. rewrite <- (Nat.mul_1_r P). destruct beginning as [h0 H0]. pose proof (older_length h0 H0) as L.
  destruct (exists_last (l := older l h0) ltac:(intros E; rewrite E in L; simpl in L; lia)) as [X [x Ho]].
  destruct (after k (rev h0) ltac:(lia)) as [c Hafter].
  apply (lower_from l n k (misses (lru k))) with (c := k * c); auto. intros N. exists (N * k).
  destruct (phases N h0 X x H0 Ho) as [s [m [d [S1 [S2 [S3 S4]]]]]].
  destruct (Hafter _ _ _ (runs_schedule _ _ _ _ _ S4)) as [m' [A1 A2]]. exists (s ++ h0), m'.
  split; [rewrite <- (Nat.mul_1_r N) at 1; apply Nat.mul_le_mono_l; lia|].
  split; [apply layered_backwards, S1|]. rewrite rev_app_distr. split; auto.
  split; [apply Nat.le_trans with (misses (lru k) (s ++ h0)); [lia|apply Nat.le_add_r]|].
  assert (k * m' <= k * (N + c)) by (apply Nat.mul_le_mono_l; lia). rewrite Nat.mul_add_distr_l in H1. lia.
Qed.
End Phases.

Theorem lru_lower : forall l n k, 1 <= l -> 2 * l <= k + 1 -> k + 1 <= l * n ->
  forall P Q, at_most l n k (misses (lru k)) P Q -> Q * k <= P.
Proof.
  intros l n k H1 H2 H3 P Q H. assert (Hn : 2 <= n) by (destruct n as [|[|n]]; lia).
  destruct (extend (cycle l n 2) (l * n) (k + 1)) as [U [U1 [U2 [U3 U4]]]]; auto.
  - apply cycle_NoDup; auto.
  - intros p Hp. apply In_nth with (d := 0) in Hp. destruct Hp as [i [I1 <-]]. apply (cycle_fits l n H1 2 Hn i I1).
  - rewrite cycle_length. lia.
  - apply lower with l n U; auto.
Qed.
