(* The layered cruel adversary: k + 1 pages, one at least in each layer.  It asks for an absent page of the layer if there is
   one, else for the page of l requests ago. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model Online Phases.
Import ListNotations.

Section Adversary.
Variables l n k : nat.
Hypothesis l_pos : 1 <= l.
Hypothesis l_le_k : l <= k.

(* histories are newest first *)
Variable alg : list nat -> cache.
Hypothesis alg_fits : forall h, length (alg h) <= k.
Hypothesis alg_serves : forall p h, In p (alg (p :: h)).

Notation paid := (paid alg).
Notation phase := (phase k).
Notation runs := (runs k).

(* k + 1 pages, at least one in each layer *)
Variable pages : list nat.
Hypothesis pages_nodup : NoDup pages.
Hypothesis pages_many : length pages = S k.
Hypothesis pages_ok : forall p, In p pages -> p < l * n /\ layer n p < l.
Hypothesis pages_all : forall i, i < l -> exists p, In p pages /\ layer n p = i.

Definition here (h : list nat) : list nat := filter (fun p => layer n p =? length h mod l) pages.
Definition absent (h : list nat) : list nat := filter (fun p => negb (mem p (alg h))) (here h).
Definition next (h : list nat) : nat :=
  match absent h with
  | p :: _ => p
  | [] => if length h <? l then hd 0 (here h) else nth (l - 1) h 0
  end.
Fixpoint hist (T : nat) : list nat := match T with 0 => [] | S U => next (hist U) :: hist U end.

Lemma hist_length T : length (hist T) = T.
Proof. induction T; simpl; auto. Qed.

(* what the adversary asks for is a page of the layer, from the pages *)
Definition good (h : list nat) : Prop :=
  forall d, d < length h -> In (nth d h 0) pages /\ layer n (nth d h 0) = (length h - 1 - d) mod l.

Lemma here_some h : exists p, In p (here h).
Proof.
  destruct (pages_all (length h mod l)) as [p [H1 H2]]; [apply Nat.mod_upper_bound; lia|].
  exists p. apply filter_In. split; auto. now apply Nat.eqb_eq.
Qed.

Lemma next_ok h : good h -> In (next h) pages /\ layer n (next h) = length h mod l.
Proof.
  intros G. unfold next. destruct (absent h) as [|p r] eqn:E.
  - destruct (length h <? l) eqn:E2.
    + destruct (here_some h) as [p Hp]. destruct (here h) as [|q r'] eqn:E3; [inversion Hp|]. simpl.
      assert (H : In q (here h)) by (rewrite E3; left; auto). apply filter_In in H.
      destruct H as [H1 H2]. apply Nat.eqb_eq in H2. auto.
    + apply Nat.ltb_ge in E2. destruct (G (l - 1)) as [H1 H2]; [lia|]. split; auto.
      rewrite H2. replace (length h) with ((length h - 1 - (l - 1)) + 1 * l) at 2 by lia.
      rewrite Nat.mod_add; lia.
  - assert (H : In p (absent h)) by (rewrite E; left; auto). apply filter_In in H. destruct H as [H _].
    apply filter_In in H. destruct H as [H1 H2]. apply Nat.eqb_eq in H2. auto.
Qed.

Lemma hist_good T : good (hist T).
Proof.
  induction T as [|T IH]; intros d Hd; simpl in Hd; [lia|].
  destruct d as [|d]; simpl.
  - destruct (next_ok _ IH) as [H1 H2]. split; auto. rewrite H2. f_equal. lia.
  - destruct (IH d) as [H1 H2]; [lia|]. split; auto. rewrite H2. f_equal. lia.
Qed.

(* a request to an absent page costs; any other is the first of its layer or repeats the page of l requests ago *)
Lemma fault_pays h p : ~ In p (alg h) -> 1 <= length (minus (alg (p :: h)) (alg h)).
Proof.
  intros H. assert (In p (minus (alg (p :: h)) (alg h))) by (apply minus_In; auto).
  destruct (minus _ _); simpl in *; [tauto|lia].
Qed.
Lemma next_cases h : ~ In (next h) (alg h) \/ length h < l \/ next h = nth (l - 1) h 0.
Proof.
  unfold next. destruct (absent h) as [|p r] eqn:E.
  - destruct (length h <? l) eqn:E2; [right; left; now apply Nat.ltb_lt | auto].
  - left. assert (H : In p (absent h)) by (rewrite E; left; auto). apply filter_In in H.
    destruct H as [_ H]. apply negb_true_iff in H. intros H1. apply mem_In in H1. congruence.
Qed.

Definition inv (h : list nat) : Prop := let '(D, f, c) := phase h in
  NoDup D /\ incl D pages /\ length D <= k /\ incl (firstn c h) D /\ c <= length h /\ length D <= c /\
  match f with
  | 0 => length D <= paid h + min c l
  | S g => length D + (k - l + 1) * g + 1 <= paid h + min c l
  end.

Lemma inv_step h : good h -> inv h -> inv (next h :: h).
Proof.
  intros G H. unfold inv in *. cbn [phase]. destruct (phase h) as [[D f] c] eqn:E.
  destruct H as [H1 [H2 [H3 [H4 [H5 [H6 H7]]]]]].
  destruct (next_ok h G) as [N1 _].
  set (p := next h) in *.
  assert (HF : ~ In p (alg h) \/ (c < l \/ In p D)).
  { destruct (next_cases h) as [?|[?|Hn]]; auto; [right; left; lia|].
    destruct (le_lt_dec l c); [|auto]. right. right. apply H4. fold p in Hn. rewrite Hn.
    replace (nth (l - 1) h 0) with (nth (l - 1) (firstn c h) 0).
    - apply nth_In. rewrite firstn_length. lia.
    - rewrite <- (firstn_skipn c h) at 2. rewrite app_nth1; auto. rewrite firstn_length. lia. }
  assert (Hcost : ~ In p (alg h) -> 1 <= length (minus (alg (p :: h)) (alg h))) by apply fault_pays.
  destruct (mem p D) eqn:Em.
  - apply mem_In in Em. cbn [paid length firstn]. repeat split; auto; try lia.
    + intros x [<-|Hx]; auto.
    + destruct f; lia.
  - assert (Hp : ~ In p D) by (rewrite <- mem_In; congruence).
    destruct (length D <? k) eqn:El.
    + apply Nat.ltb_lt in El. cbn [paid length firstn]. repeat split; auto; try lia.
      * constructor; auto.
      * intros x [<-|Hx]; auto.
      * intros x [<-|Hx]; [left; auto | right; auto].
      * destruct HF as [HF|[HF|HF]]; [apply Hcost in HF; destruct f; lia | destruct f; lia | tauto].
    + apply Nat.ltb_ge in El. cbn [paid length].
      split; [constructor; [intros []|constructor]|].
      split; [intros x [<-|[]]; auto|].
      split; [lia|].
      split; [intros x Hx; destruct h; simpl in Hx; destruct Hx as [<-|[]]; left; auto|].
      split; [lia|]. split; [lia|].
      assert (HF' : ~ In p (alg h)) by (destruct HF as [HF|[HF|HF]]; [exact HF|exfalso; lia|tauto]).
      apply Hcost in HF'. destruct f as [|g]; [lia|].
      assert ((k - l + 1) * S g = (k - l + 1) * g + (k - l + 1)) by lia. lia.
Qed.

Lemma hist_inv T : inv (hist T).
Proof.
  induction T; simpl.
  - unfold inv. simpl. repeat split; auto; try lia; [constructor|intros x []|intros x []].
  - apply inv_step; auto. apply hist_good.
Qed.

(* the optimum pays k and one more for each phase completed: it lacks a page that the phase does not ask for *)
Definition but (y : nat) : cache := remove Nat.eq_dec y pages.
Lemma but_cache y : In y pages -> is_cache k (but y).
Proof.
  intros H. split; [apply NoDup_remove_eq; auto|]. pose proof (length_remove y pages pages_nodup H). unfold but. lia.
Qed.
Lemma but_In x y : In x pages -> x <> y -> In x (but y).
Proof. intros. apply in_in_remove; auto. Qed.

Lemma opt T : forall y, In y pages -> ~ In y (fst (fst (phase (hist (S T))))) ->
  exists m, runs [] (rev (hist (S T))) m (but y) /\ m <= k + snd (fst (phase (hist (S T)))).
Proof.
  induction T as [|T IH]; intros y Hy Hn.
  - simpl in *. destruct (next_ok [] (hist_good 0)) as [N1 _]. fold (next []) in *.
    set (p := next []) in *.
    assert (Hk : (0 <? k) = true) by (apply Nat.ltb_lt; lia). rewrite Hk in *. simpl in *.
    exists (length (minus (but y) []) + 0). split.
    + apply runs_step with (c' := but y); [now apply but_cache| |constructor].
      apply but_In; auto.
    + assert (length (minus (but y) []) <= length (but y)).
      { apply NoDup_incl_length; [apply minus_NoDup, but_cache; auto|]. intros x Hx. apply minus_In in Hx. tauto. }
      pose proof (but_cache y Hy) as [_ ?]. lia.
  - pose proof (hist_inv (S T)) as I. unfold inv in I.
    remember (hist (S T)) as h eqn:Eh.
    assert (Eh2 : hist (S (S T)) = next h :: h) by (subst; reflexivity). rewrite Eh2 in *.
    assert (Hg : good h) by (subst; apply hist_good).
    destruct (next_ok h Hg) as [N1 _]. set (p := next h) in *.
    simpl in Hn |- *. destruct (phase h) as [[D f] c] eqn:E. simpl in IH.
    destruct I as [I1 [I2 [I3 _]]].
    (* append one step from cache but y0 to but y *)
    assert (App : forall y0 m, runs [] (rev h) m (but y0) -> p <> y ->
        runs [] (rev h ++ [p]) (m + (length (minus (but y) (but y0)) + 0)) (but y)).
    { intros y0 m0 Hr Hpy. eapply runs_app; eauto. apply runs_step with (c' := but y); [now apply but_cache| |constructor].
      apply but_In; auto. }
    destruct (mem p D) eqn:Em.
    + simpl in *. apply mem_In in Em. destruct (IH y Hy Hn) as [m [R1 R2]].
      exists (m + (length (minus (but y) (but y)) + 0)). split; [apply App; auto; intros ->; tauto|].
      rewrite minus_self. simpl. lia.
    + destruct (length D <? k) eqn:El; simpl in *.
      * destruct (IH y Hy ltac:(tauto)) as [m [R1 R2]].
        exists (m + (length (minus (but y) (but y)) + 0)). split; [apply App; auto; intros ->; tauto|].
        rewrite minus_self. simpl. lia.
      * assert (Hp : ~ In p D) by (rewrite <- mem_In; congruence).
        destruct (IH p N1 Hp) as [m [R1 R2]].
        exists (m + (length (minus (but y) (but p)) + 0)). split; [apply App; auto; tauto|].
        assert (length (minus (but y) (but p)) <= length [p]).
        { apply NoDup_incl_length; [apply minus_NoDup, but_cache; auto|].
          intros x Hx. apply minus_In in Hx. destruct Hx as [X1 X2]. apply in_remove in X1.
          destruct (Nat.eq_dec x p); [left; auto|]. exfalso. apply X2, but_In; tauto. }
        simpl in *. lia.
Qed.

(* the policy pays at least once in l requests *)
Lemma paid_mono T d : paid (hist T) <= paid (hist (d + T)).
Proof. induction d; simpl; lia. Qed.

Lemma pays_in_turn T : S (paid (hist T)) <= paid (hist (l + T)).
Proof.
  destruct (le_lt_dec (S (paid (hist T))) (paid (hist (l + T)))) as [|Hlt]; auto. exfalso.
  assert (Hex : exists y, In y pages /\ ~ In y (alg (hist T))).
  { destruct (minus pages (alg (hist T))) as [|y r] eqn:E.
    - exfalso. assert (incl pages (alg (hist T))).
      { intros x Hx. destruct (in_dec Nat.eq_dec x (alg (hist T))); auto.
        assert (In x (minus pages (alg (hist T)))) by (apply minus_In; auto). rewrite E in H; inversion H. }
      apply NoDup_incl_length in H; auto. pose proof (alg_fits (hist T)). lia.
    - exists y. apply minus_In. rewrite E. left; auto. }
  destruct Hex as [y [Hy1 Hy2]]. destruct (pages_ok y Hy1) as [_ Hyl].
  assert (Hd : exists d, d < l /\ (d + T) mod l = layer n y).
  { pose proof (Nat.mod_upper_bound T l ltac:(lia)) as Hr.
    destruct (le_lt_dec (T mod l) (layer n y)).
    - exists (layer n y - T mod l). split; [lia|].
      rewrite Nat.add_comm, <- Nat.add_mod_idemp_l by lia.
      replace (T mod l + (layer n y - T mod l)) with (layer n y) by lia. apply Nat.mod_small; auto.
    - exists (layer n y + l - T mod l). split; [lia|].
      rewrite Nat.add_comm, <- Nat.add_mod_idemp_l by lia.
      replace (T mod l + (layer n y + l - T mod l)) with (layer n y + 1 * l) by lia.
      rewrite Nat.mod_add by lia. apply Nat.mod_small; auto. }
  destruct Hd as [d [Hd1 Hd2]].
  assert (Hstay : forall j, j <= d -> ~ In y (alg (hist (j + T)))).
  { induction j as [|j IH]; intros Hj; auto. specialize (IH ltac:(lia)). simpl.
    intros H. apply IH.
    pose proof (paid_mono T j) as M1.
    assert (M2 : paid (hist (S j + T)) <= paid (hist (l + T))).
    { replace (l + T) with ((l - S j) + (S j + T)) by lia. apply paid_mono. }
    simpl in M2.
    destruct (in_dec Nat.eq_dec y (alg (hist (j + T)))); auto. exfalso.
    assert (In y (minus (alg (next (hist (j + T)) :: hist (j + T))) (alg (hist (j + T))))) by (apply minus_In; auto).
    destruct (minus (alg (next (hist (j + T)) :: hist (j + T))) (alg (hist (j + T)))); simpl in *; [tauto|lia]. }
  specialize (Hstay d (le_n d)).
  assert (Hab : In y (absent (hist (d + T)))).
  { apply filter_In. split; [apply filter_In; split; auto; rewrite hist_length; apply Nat.eqb_eq; lia|].
    apply negb_true_iff. apply not_true_iff_false. rewrite mem_In. auto. }
  assert (Hf : ~ In (next (hist (d + T))) (alg (hist (d + T)))).
  { unfold next. destruct (absent (hist (d + T))) as [|q r] eqn:E; [inversion Hab|].
    assert (H : In q (absent (hist (d + T)))) by (rewrite E; left; auto). apply filter_In in H.
    destruct H as [_ H]. apply negb_true_iff in H. intros H1. apply mem_In in H1. congruence. }
  apply fault_pays in Hf.
  pose proof (paid_mono T d).
  assert (M2 : paid (hist (S d + T)) <= paid (hist (l + T))).
  { replace (l + T) with ((l - S d) + (S d + T)) by lia. apply paid_mono. }
  simpl in M2. lia.
Qed.

Lemma pays_often X : X <= paid (hist (X * l)).
Proof.
  induction X as [|X IH]; [lia|]. simpl. pose proof (pays_in_turn (X * l)). lia.
Qed.

Lemma hist_layered T : layered l n 0 (rev (hist T)).
Proof.
  induction T; simpl; auto. apply layered_app; auto. rewrite rev_length, hist_length. simpl.
  destruct (next_ok _ (hist_good T)) as [H1 H2]. rewrite hist_length in H2.
  destruct (pages_ok _ H1). auto.
Qed.

Theorem adversary_wins P Q add :
  (forall h m, layered l n 0 (rev h) -> schedule k [] (rev h) m -> Q * paid h <= P * m + add) ->
  Q * (k - l + 1) <= P.
Proof.
  intros Hall. destruct (le_lt_dec (Q * (k - l + 1)) P) as [|Hlt]; auto. exfalso.
  assert (HQ : 1 <= Q) by (destruct Q; simpl in *; lia).
  set (K := k - l + 1) in *.
  set (B := P * k + add + Q * l + Q * K).
  assert (Hb : forall T, exists m, Q * paid (hist (S T)) <= P * m + add /\ m <= k + B).
  { intros T. pose proof (hist_inv (S T)) as I. pose proof (opt T) as O. unfold inv in I.
    destruct (phase (hist (S T))) as [[D f] c] eqn:E. simpl in O.
    destruct I as [I1 [I2 [I3 [_ [_ [_ I7]]]]]].
    assert (Hy : exists y, In y pages /\ ~ In y D).
    { destruct (minus pages D) as [|y r] eqn:E2.
      - exfalso. assert (incl pages D).
        { intros x Hx. destruct (in_dec Nat.eq_dec x D); auto.
          assert (In x (minus pages D)) by (apply minus_In; auto). rewrite E2 in H; inversion H. }
        apply NoDup_incl_length in H; auto. lia.
      - exists y. apply minus_In. rewrite E2. left; auto. }
    destruct Hy as [y [Y1 Y2]]. destruct (O y Y1 Y2) as [m [R1 R2]].
    exists m. pose proof (Hall _ m (hist_layered (S T)) (runs_schedule _ _ _ _ _ R1)) as H. split; auto.
    assert (f <= B); [|lia].
    destruct f as [|g]; [lia|].
    assert (J : K * g <= paid (hist (S T)) + l) by (unfold K; lia).
    assert (J2 : Q * (K * g) <= Q * paid (hist (S T)) + Q * l)
      by (rewrite <- Nat.mul_add_distr_l; apply Nat.mul_le_mono_l; exact J).
    assert (J3 : P * m <= P * k + P * S g)
      by (rewrite <- Nat.mul_add_distr_l; apply Nat.mul_le_mono_l; simpl in R2; lia).
    assert (J4 : (P + 1) * g <= Q * K * g) by (apply Nat.mul_le_mono_r; lia).
    assert (J5 : Q * K * g = Q * (K * g)) by (symmetry; apply Nat.mul_assoc).
    assert (J6 : P * S g = P * g + P) by (rewrite Nat.mul_succ_r; reflexivity).
    assert (J7 : (P + 1) * g = P * g + g) by (rewrite Nat.mul_add_distr_r; lia).
    unfold B. clearbody K. clear - H J2 J3 J4 J5 J6 J7 Hlt. 
    set (a := Q * (K * g)) in *. set (b := Q * K) in *. set (c2 := P * g) in *. set (d := P * k) in *.
    set (e := Q * l) in *. set (pm := P * m) in *. lia. }
  set (X := P * (k + B) + add + 1).
  assert (HX : exists T, X * l = S T).
  { exists (X * l - 1). assert (1 * 1 <= X * l) by (apply Nat.mul_le_mono; unfold X; lia). lia. }
  destruct HX as [T HT]. destruct (Hb T) as [m [H1 H2]].
  pose proof (pays_often X) as H3. rewrite HT in H3.
  assert (H4 : P * m <= P * (k + B)) by (apply Nat.mul_le_mono_l; exact H2).
  assert (H5 : 1 * paid (hist (S T)) <= Q * paid (hist (S T))) by (apply Nat.mul_le_mono_r; exact HQ).
  unfold X in H3. lia.
Qed.
End Adversary.
