/* The scoreboard protocol, for the model checker Spin: see README.md for what this proves.
 *
 * The names are those of the code (kernel/shootdown/src/scoreboard.rs) and of the records of a run:
 * a step `publish` here is the point `publish` there. An underscore is a hyphen.
 *
 * Each mutant is a macro: spin -a -DNO_DRAIN scoreboard.pml. With TRACE the steps are those that a
 * process `Trace`, made of a run's records, hands out one by one.
 */

#ifndef CPUS
#define CPUS 3
#endif
#ifndef INITIATORS
#define INITIATORS 2   /* CPUs 0 to INITIATORS - 1 ask. */
#endif
#ifndef SHOOTDOWNS
#define SHOOTDOWNS 1   /* Each so often, each time for another page. */
#endif
#ifndef PAGES
#define PAGES (INITIATORS * SHOOTDOWNS)
#endif
#ifndef LAST
#define LAST 3         /* The last generation: after it comes 1 (I12). */
#endif
#ifndef FIRST
#define FIRST 2        /* The one before the first, so that the wrap is met. */
#endif

#define BIT(cpu)               (1 << (cpu))
#define SLOT(target, initiator) slot[(target) * CPUS + (initiator)]
#define TLB(cpu, page)         tlb[(cpu) * PAGES + (page)]

/* A CPU that is in its handler runs nothing else. */
#define RUNS(cpu)              (!in_handler[cpu])

mtype = { pte_store, begin, holders, publish, generation, zero, send, ipi, local_invalidate, invlpg, wait, done, end_,
          enter, notice, copy, acknowledge, invalidate, return_, leave };

/* A record is made just before a store, a send, a wait or an invalidation's beginning, and just after
 * a load or an executed instruction: between the two, other CPUs may run. */
#ifdef TRACE
chan step = [0] of { mtype, byte, short };
#define BEFORE(cpu, name, operand) step?name,eval(cpu),eval(operand);
#define AFTER(cpu, name, operand)  ; step?name,eval(cpu),eval(operand)
#else
#define BEFORE(cpu, name, operand)
#define AFTER(cpu, name, operand)
#endif

/* What the protocol has. */
byte request_page[CPUS];           /* Each CPU's request: which page, */
short request_generation[CPUS];    /* and under which generation. */
short slot[CPUS * CPUS];           /* A row for each target, a column for each initiator. */
bool critical[CPUS];               /* A thread of this CPU is in its critical section. */
byte active_set;                       /* The CPUs that the space is active on. */

/* What the machine has. */
byte pte[PAGES];                   /* The page table: which version each entry is of, from 1. */
byte tlb[CPUS * PAGES];            /* What each TLB holds; 0 for nothing. */
byte buffered[CPUS];               /* The targets whose zero is still in this CPU's store buffer. */
bool irr[CPUS];                    /* The interrupt is pending: more than one are one. */
bool isr[CPUS];                    /* It is in service: no other is taken until its end is signalled. */
bool in_handler[CPUS];
bool masked[CPUS];
bool inside[CPUS];                 /* It runs in the space, and may load translations. */

/* What is asked of them. */
byte required[PAGES];              /* No CPU may use an older version: its shootdown has returned. */

inline drain(cpu) {
  d_step {
    t = 0;
    do
    :: t < CPUS ->
       if
       :: buffered[cpu] & BIT(t) -> SLOT(t, cpu) = 0
       :: else
       fi;
       t++
    :: else -> break
    od;
    buffered[cpu] = 0;
    t = 0
  }
}

/* Writes the request under its next generation. */
inline publish_request() {
  BEFORE(me, publish, page)
  atomic { RUNS(me) -> request_page[me] = page }
#ifdef GENERATION_ZERO
  atomic { RUNS(me) -> g = (request_generation[me] == LAST -> 0 : request_generation[me] + 1) }
#else
  atomic { RUNS(me) -> g = (request_generation[me] == LAST -> 1 : request_generation[me] + 1) }
#endif
  ; BEFORE(me, generation, g)
  atomic { RUNS(me) -> request_generation[me] = g }
}

/* Zeroes a slot for each target; the stores leave the store buffer at any later time. */
inline zero_slots() {
  t = 0;
  do
  :: t < CPUS && (targets & BIT(t)) ->
     BEFORE(me, zero, t)
     atomic {
       RUNS(me) ->
#ifdef TRANSPOSED
       SLOT(me, t) = 0
#else
       assert(SLOT(t, me) != 0 && !(buffered[me] & BIT(t)));   /* I3: one request at a time. */
       buffered[me] = buffered[me] | BIT(t)
#endif
     }
     t++
  :: t < CPUS && !(targets & BIT(t)) -> t++
  :: else -> break
  od;
  t = 0
}

inline send_interrupts() {
  BEFORE(me, send, targets)
#ifndef NO_FENCE
  atomic { RUNS(me) -> drain(me) }
#endif
  rest = targets;
  do
  :: rest != 0 ->
#ifdef TRACE
     step?ipi,eval(me),sent;
     assert(sent != 0 && (sent & ~rest) == 0);                 /* Nobody is sent what he was not asked (I11). */
#else
     sent = rest & -rest;
#endif
     atomic {
       RUNS(me) ->
       t = 0;
       do
       :: t < CPUS -> irr[t] = irr[t] || (sent & BIT(t)); t++
       :: else -> break
       od;
       t = 0;
       rest = rest & ~sent;
       sent = 0
     }
  :: else -> break
  od
}

inline invalidate_locally() {
  BEFORE(me, local_invalidate, page)
#ifdef UNPINNED
  /* The thread has moved: it is another CPU's TLB. */
  atomic { RUNS(me) -> TLB((me + 1) % CPUS, page) = 0 }
#else
  atomic { RUNS(me) -> TLB(me, page) = 0 }
#endif
  AFTER(me, invlpg, page)
}

inline wait_for_targets() {
#ifdef TWO_SNAPSHOTS
  atomic { RUNS(me) -> targets = active_set & ~BIT(me) }
#endif
#ifdef WAITS_MASKED
  atomic { RUNS(me) -> masked[me] = true }
#endif
  t = 0;
  do
  :: t < CPUS && (targets & BIT(t)) ->
     BEFORE(me, wait, 0)
waiting:
     atomic { RUNS(me) && SLOT(t, me) == g -> skip }
     AFTER(me, done, 0)
     ; t++
  :: t < CPUS && !(targets & BIT(t)) -> t++
  :: else -> break
  od;
  t = 0;
  masked[me] = false
}

/* A thread of CPU `me` that changes pages and shoots them down. */
proctype Initiator(byte me; byte first) {
  byte page, t, targets, rest, sent, k, version;
  short g;
  do
#ifdef TRACE
  :: step?pte_store,eval(me),page ->
     atomic { RUNS(me) -> pte[page]++ }
  :: step?begin,eval(me),page ->
     version = pte[page];
     step?holders,eval(me),targets;                            /* By the kernel's books. */
     targets = targets & ~BIT(me);
#else
  :: k < SHOOTDOWNS ->
     page = first + k;
#ifdef SNAPSHOT_EARLY
     atomic { RUNS(me) -> targets = active_set & ~BIT(me) };
#endif
     atomic { RUNS(me) -> pte[page]++; version = pte[page] };
#ifndef SNAPSHOT_EARLY
     atomic { RUNS(me) -> targets = active_set & ~BIT(me) };
#endif
#endif
#ifndef NO_CRITICAL
     atomic { RUNS(me) && !critical[me] -> critical[me] = true };
#endif
     if
     :: targets != 0 ->
#ifdef ZERO_BEFORE_PUBLISH
        zero_slots();
        publish_request();
#else
        publish_request();
        zero_slots();
#endif
        send_interrupts();
        invalidate_locally();
#ifndef NO_WAIT
        wait_for_targets();
#endif
     :: else -> invalidate_locally(); g = 0
     fi;
#ifndef NO_CRITICAL
     atomic { RUNS(me) -> critical[me] = false };
#endif
     BEFORE(me, end_, g)
     d_step { required[page] = (version > required[page] -> version : required[page]); version = 0; g = 0; targets = 0 };
     k++
#ifndef TRACE
  :: else -> break
#endif
  od
}

/* What an interrupt does on CPU `me`. */
proctype Handler(byte me) {
  byte i, page;
  short g;
end_idle:
  do
  :: atomic {
       irr[me] && !isr[me] && !masked[me] && !in_handler[me] ->
       irr[me] = false; isr[me] = true; in_handler[me] = true
     }
     AFTER(me, enter, 0)
     ;
     do
     :: d_step {
          i = 0;
          do
          :: i < CPUS && SLOT(me, i) == 0 -> break
          :: i < CPUS && SLOT(me, i) != 0 -> i++
          :: else -> break
          od
        }
        if
        :: i == CPUS -> break
        :: else
        fi
        AFTER(me, notice, 0)
        ;
#ifdef ACKNOWLEDGE_BEFORE_COPY
        g = request_generation[i];
        SLOT(me, i) = g;
        page = request_page[i];
#else
        page = request_page[i]
        AFTER(me, copy, page)
        ; g = request_generation[i];
        BEFORE(me, acknowledge, g)
        SLOT(me, i) = g;
#endif
#ifdef RESUMES_EARLY
        in_handler[me] = false;
#endif
        BEFORE(me, invalidate, page)
#ifndef NO_INVALIDATION
        TLB(me, page) = 0
        AFTER(me, invlpg, page)
        ;
#endif
#ifdef NO_DRAIN
        break
#else
        skip
#endif
     od
#ifndef NO_DRAIN
     AFTER(me, return_, 0)
#endif
     ; BEFORE(me, leave, 0)
     atomic {
       in_handler[me] = false;
#ifndef NO_EOI
       isr[me] = false;
#endif
       i = 0; page = 0; g = 0
     }
  od
}

/* Whatever runs in ring 3 on CPU `me`: it may load any translation, and must use none that is dead. */
#define USES(page) \
  :: atomic { RUNS(me) && inside[me] && TLB(me, page) == 0 -> TLB(me, page) = pte[page] } \
  :: atomic { RUNS(me) && inside[me] && TLB(me, page) != 0 && TLB(me, page) < required[page] -> \
       assert(TLB(me, page) >= required[page]) }

proctype User(byte me) {
#ifdef SWITCHING
  if
  :: me == CPUS - 1 ->
#ifdef ACTIVATES_LATE
     /* In between it may walk the page table, asked or not. */
     inside[me] = true; TLB(me, 0) = pte[0]; active_set = active_set | BIT(me)
#else
     active_set = active_set | BIT(me); inside[me] = true
#endif
  :: else
  fi;
#endif
end_idle:
  do
  USES(0)
#if PAGES > 1
  USES(1)
#endif
#if PAGES > 2
  USES(2)
#endif
#if PAGES > 3
  USES(3)
#endif
  od
}

/* A store buffer, which others see what is in at any time. */
proctype StoreBuffer(byte me) {
  byte t;
end_idle:
  do
  :: atomic { buffered[me] != 0 -> drain(me) }
  od
}

init {
  byte c, p;
  atomic {
    do
    :: c < CPUS * CPUS -> slot[c] = 1; c++                     /* I13: nothing is pending. */
    :: else -> break
    od;
    p = 0;
    do
    :: p < PAGES -> pte[p] = 1; required[p] = 1; p++
    :: else -> break
    od;
    c = 0;
    do
    :: c < CPUS ->
       request_generation[c] = FIRST;
#ifdef SWITCHING
       if
       :: c < CPUS - 1 -> active_set = active_set | BIT(c); inside[c] = true
       :: else
       fi;
#else
       active_set = active_set | BIT(c); inside[c] = true;
#endif
       p = 0;
       do
       :: p < PAGES && inside[c] -> TLB(c, p) = 1; p++
       :: else -> break
       od;
       run Handler(c);
#ifndef TRACE
       run User(c);
#endif
       c++
    :: else -> break
    od;
    c = 0;
    do
    :: c < INITIATORS ->
#ifdef SHARED
       run Initiator(0, c * SHOOTDOWNS);
#else
       run Initiator(c, c * SHOOTDOWNS);
#endif
       run StoreBuffer(c);
       c++
    :: else -> break
    od;
#ifdef TRACE
    run Trace();
#endif
    c = 0; p = 0
  }
}

#ifdef CLAIM
/* A shootdown that began returns, if every CPU that can go on does. */
ltl returns { [] (critical[0] -> <> !critical[0]) }
#endif

#ifdef TRACE
#include "trace.pml"
#endif
