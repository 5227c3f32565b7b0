(* Online algorithms are functions of the history; histories are newest first.
   A cost is a function of the history too, and its competitive ratio compares it with every schedule. *)
From Coq Require Import List Arith Bool Lia.
From LP.library Require Import Model.
Import ListNotations.

Section Costs.
Variable alg : list nat -> cache.

(* what the caches load, and the requests to pages that are not there; the same for a lazy algorithm *)
Fixpoint paid (h : list nat) : nat :=
  match h with [] => 0 | p :: h' => length (minus (alg (p :: h')) (alg h')) + paid h' end.
Fixpoint misses (h : list nat) : nat :=
  match h with [] => 0 | p :: h' => (if mem p (alg h') then 0 else 1) + misses h' end.

(* any online algorithm: it may prefetch, and may start with any cache *)
Definition online (k : nat) : Prop := (forall h, length (alg h) <= k) /\ (forall p h, In p (alg (p :: h))).

(* a lazy one: starts empty, loads the page requested and nothing else, and only when it is not there *)
Definition lazy (k : nat) : Prop := alg [] = [] /\ (forall h, is_cache k (alg h)) /\
  forall p h, In p (alg (p :: h)) /\ incl (alg (p :: h)) (p :: alg h).

Lemma lazy_online k : lazy k -> online k.
Proof. intros [_ [H1 H2]]. split; [intros h; apply H1|intros p h; apply H2]. Qed.

Lemma lazy_paid k : lazy k -> forall h, paid h = misses h.
Proof.
  intros [_ [H1 H2]]. induction h as [|p h IH]; simpl; auto. rewrite IH. f_equal. destruct (H2 p h) as [H3 H4].
  destruct (mem p (alg h)) eqn:E.
  - apply mem_In in E. destruct (minus (alg (p :: h)) (alg h)) as [|x r] eqn:Em; auto. exfalso.
    assert (Hx : In x (minus (alg (p :: h)) (alg h))) by (rewrite Em; left; auto).
    apply minus_In in Hx. destruct Hx as [X1 X2]. apply H4 in X1. destruct X1 as [<-|X1]; auto.
  - assert (Hn : ~ In p (alg h)) by (rewrite <- mem_In; congruence). apply Nat.le_antisymm.
    + change 1 with (length [p]). apply NoDup_incl_length; [apply minus_NoDup, H1|].
      intros x Hx. apply minus_In in Hx. destruct Hx as [X1 X2]. apply H4 in X1. destruct X1 as [<-|X1]; [left; auto|tauto].
    + change 1 with (length [p]). apply NoDup_incl_length; [constructor; [intros []|constructor]|].
      intros x [<-|[]]. apply minus_In; auto.
Qed.
End Costs.

(* the competitive ratio is at most P / Q; is P / Q *)
Definition at_most (l n k : nat) (cost : list nat -> nat) (P Q : nat) : Prop := exists add, forall h m,
  layered l n 0 (rev h) -> schedule k [] (rev h) m -> Q * cost h <= P * m + add.
Definition ratio (l n k : nat) (cost : list nat -> nat) (P Q : nat) : Prop := 1 <= Q /\ at_most l n k cost P Q /\
  forall P' Q', at_most l n k cost P' Q' -> Q' * P <= P' * Q.

(* when a page was requested last: the first request has time 1; 0 says never *)
Fixpoint last (h : list nat) (p : nat) : nat :=
  match h with [] => 0 | q :: h' => if Nat.eq_dec q p then length (q :: h') else last h' p end.
Lemma last_le h p : last h p <= length h.
Proof. induction h; simpl; [lia|]. destruct (Nat.eq_dec a p); lia. Qed.

(* the page requested at a time *)
Definition at_time (h : list nat) (w : nat) : nat := nth (length h - w) h 0.
Lemma at_time_cons p h w : w <= length h -> at_time (p :: h) w = at_time h w.
Proof. intros H. unfold at_time. simpl length. replace (S (length h) - w) with (S (length h - w)) by lia. reflexivity. Qed.
Lemma at_last h p : 0 < last h p -> at_time h (last h p) = p.
Proof.
  induction h as [|q h IH]; simpl last; [simpl; lia|]. intros H.
  destruct (Nat.eq_dec q p) as [->|N].
  - unfold at_time. rewrite Nat.sub_diag. reflexivity.
  - rewrite at_time_cons by apply last_le. auto.
Qed.

(* the pages in the order of their last requests, newest first; LRU keeps the first k of them *)
Fixpoint recency (h : list nat) : list nat :=
  match h with [] => [] | p :: h' => p :: remove Nat.eq_dec p (recency h') end.
Definition lru (k : nat) (h : list nat) : cache := firstn k (recency h).

Lemma recency_NoDup h : NoDup (recency h).
Proof.
  induction h; simpl; constructor; [|apply NoDup_remove_eq; auto]. intros H. apply in_remove in H. tauto.
Qed.
Lemma recency_In h x : In x (recency h) <-> In x h.
Proof.
  induction h as [|p h IH]; simpl; [tauto|]. split; intros [H|H]; auto.
  - apply in_remove in H. right. apply IH. tauto.
  - destruct (Nat.eq_dec p x); auto. right. apply in_in_remove; auto. apply IH; auto.
Qed.

Lemma recency_grows p h : length (recency h) <= length (recency (p :: h)) <= S (length (recency h)).
Proof.
  simpl. destruct (in_dec Nat.eq_dec p (recency h)) as [H|H].
  - pose proof (length_remove p _ (recency_NoDup h) H). lia.
  - rewrite (notin_remove _ _ _ H). lia.
Qed.
Lemma recency_length h : length (recency h) <= length h.
Proof. induction h as [|p h IH]; [auto|]. cbn [length]. pose proof (recency_grows p h). lia. Qed.

(* removing a page moves the others up *)
Lemma firstn_remove_stay p r : forall d x, In x (firstn d r) -> x <> p -> In x (firstn d (remove Nat.eq_dec p r)).
Proof.
  induction r as [|y r IH]; intros [|d] x; simpl; auto; try tauto.
  intros H N. destruct (Nat.eq_dec p y) as [<-|].
  - destruct H as [H|H]; [congruence|]. apply (IH d x) in H; auto.
    revert H. generalize (remove Nat.eq_dec p r). clear. induction d; intros [|y r]; simpl; auto; try tauto. intros [H|H]; auto.
  - destruct H as [H|H]; simpl; auto.
Qed.
Lemma firstn_remove_up p r : NoDup r -> forall d, In p (firstn (S d) r) ->
  forall x, In x (firstn (S d) r) -> x <> p -> In x (firstn d (remove Nat.eq_dec p r)).
Proof.
  induction r as [|y r IH]; intros Hr d Hp x Hx N; [inversion Hp|]. inversion Hr; subst. simpl remove.
  destruct (Nat.eq_dec p y) as [<-|Ny].
  - rewrite notin_remove by auto. destruct Hx as [Hx|Hx]; [congruence|auto].
  - destruct Hp as [Hp|Hp]; [congruence|]. destruct d as [|d]; [inversion Hp|].
    destruct Hx as [Hx|Hx]; [left; auto|right]. apply IH; auto.
Qed.
Lemma firstn_remove_incl p r : NoDup r -> forall d x, In x (firstn d (remove Nat.eq_dec p r)) -> In x (firstn (S d) r).
Proof.
  induction 1 as [|y r Hy Hr IH]; intros d x H; [destruct d; inversion H|]. simpl remove in H.
  destruct (Nat.eq_dec p y) as [<-|].
  - rewrite notin_remove in H by auto. right. auto.
  - destruct d as [|d]; [inversion H|]. destruct H as [H|H]; [left; auto|]. right. apply IH; auto.
Qed.

Lemma lru_lazy k : 1 <= k -> lazy (lru k) k.
Proof.
  intros Hk. split; [unfold lru; destruct k; reflexivity|]. split.
  - intros h. split; [apply NoDup_firstn_, recency_NoDup|]. unfold lru. rewrite firstn_length. lia.
  - intros p h. unfold lru. destruct k as [|d]; [lia|]. split; [left; auto|].
    intros x [H|H]; [left; auto|right]. apply firstn_remove_incl with p; auto. apply recency_NoDup.
Qed.
