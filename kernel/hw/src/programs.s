# The ring-3 programs: position-independent, mapped read-execute as one piece. RBX holds the
# program's block throughout. Every loop has a PAUSE: under one-threaded emulation it is what lets
# the next CPU run. (With a host thread for each CPU it costs a turn at a lock that all of them share.)

.section .rodata.programs, "a"
.balign 4096
programs_start:
.globl programs_start

# One system call. Arguments are in their registers already.
.macro system_call number
    mov eax, \number
    int 0x80
.endm

# Ends with the status in RDI.
.macro finish
    system_call {EXIT}
    ud2
.endm

# The time-stamp counter into RAX; RDX is lost. LFENCE keeps it after what came before.
.macro ticks
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
.endm

# Goes on at \again unless round RBP was the last of \count, or the program is to stop.
.macro next_round again, count
    pause
    next_round_at_once \again, \count
.endm

# As next_round, without a PAUSE.
.macro next_round_at_once again, count
    mov [rbx + {ROUNDS}], rbp
    cmp rbp, \count
    je 8f
    cmp qword ptr [rbx + {STOP}], 0
    je \again
8:
.endm

# Begins to measure: R15 is the start.
.macro measure
    ticks
    mov r15, rax
.endm

# Ends measuring: adds the ticks since R15 to the block's.
.macro measured
    ticks
    sub rax, r15
    add [rbx + {TICKS}], rax
.endm

# ---- hello
.globl program_hello
program_hello:
    sub rsp, 64
    lea rsi, [rip + .Lgreeting]
    mov rdi, rsp
1:  movsb
    cmp byte ptr [rsi], 0
    jne 1b
    system_call {CPU}
    # At most two digits: there are at most 64 CPUs.
    mov ecx, 10
    xor edx, edx
    div ecx
    test eax, eax
    jz 2f
    add al, 48
    stosb
2:  lea eax, [rdx + 48]
    stosb
    mov al, 10
    stosb
    mov rsi, rdi
    mov rdi, rsp
    sub rsi, rdi
    system_call {WRITE}
    xor edi, edi
    test rax, rax
    cmovs rdi, rax
    finish
.Lgreeting:
    .asciz "hello from ring 3 on CPU "

# ---- reader ADDRESS COUNT PAUSE
.globl program_reader
program_reader:
    mov rbx, rdi
    mov r12, [rbx + {ARGUMENT}]
    mov r13, [rbx + {ARGUMENT} + 8]
    mov r14, [rbx + {ARGUMENT} + 16]
    measure
    mov rsi, [r12]
    mov [rbx + {RESULT} + 8], rsi
1:  inc rbp
    mov rax, [r12]
    cmp rax, rsi
    je 2f
    mov rsi, rax
    inc qword ptr [rbx + {RESULT}]
    mov [rbx + {RESULT} + 8], rax
2:  dec r14
    jnz 3f
    mov r14, [rbx + {ARGUMENT} + 16]
    pause
3:  next_round_at_once 1b, r13
    measured
    xor edi, edi
    finish

# ---- writer ADDRESS COUNT
.globl program_writer
program_writer:
    mov rbx, rdi
    mov r12, [rbx + {ARGUMENT}]
    mov r13, [rbx + {ARGUMENT} + 8]
    measure
1:  inc rbp
    mov [r12], rbp
    cmp [r12], rbp
    je 2f
    inc qword ptr [rbx + {RESULT}]
2:  next_round 1b, r13
    measured
    xor edi, edi
    finish

# ---- revoke ADDRESS ROUNDS
.globl program_revoke
program_revoke:
    mov rbx, rdi
    mov r12, [rbx + {ARGUMENT}]
    mov r13, [rbx + {ARGUMENT} + 8]
1:  inc rbp
    # A user of the page like the others: the call has a translation to revoke here too.
    mov rax, [r12]
    measure
    mov rdi, r12
    mov esi, 1
    mov edx, {READ_ONLY}
    system_call {PROTECT}
    mov r14, rax
    measured
    mov rdi, r14
    test r14, r14
    js 3f
    mov rdi, r12
    mov esi, 1
    mov edx, {READ_WRITE}
    system_call {PROTECT}
    mov rdi, rax
    test rax, rax
    js 3f
    next_round 1b, r13
    xor edi, edi
3:  finish

# ---- remapper ADDRESS ROUNDS
.globl program_remapper
program_remapper:
    mov rbx, rdi
    mov r12, [rbx + {ARGUMENT}]
    mov r13, [rbx + {ARGUMENT} + 8]
1:  inc rbp
    mov rax, [r12]
    measure
    mov rdi, r12
    system_call {REMAP}
    mov r14, rax
    measured
    mov rdi, r14
    test r14, r14
    js 3f
    mov rax, [r12]
    mov [rbx + {RESULT} + 8], rax
    cmp rax, r14
    je 2f
    inc qword ptr [rbx + {RESULT}]
2:  next_round 1b, r13
    xor edi, edi
    cmp qword ptr [rbx + {RESULT}], 0
    setne dil
3:  finish

# ---- witness ADDRESS PAGES STRIDE TURN
.globl program_witness
program_witness:
    mov rbx, rdi
    mov r12, [rbx + {ARGUMENT}]
    mov r13, [rbx + {ARGUMENT} + 8]
    mov r14, [rbx + {ARGUMENT} + 16]
    shl r14, 12
    mov r9, [rbx + {ARGUMENT} + 24]
    mov r10, r9
    mov r8, {POISON}
    mov edi, 1
    lea rax, [r13 - 1]
    cmp rax, {WATCHED}
    jae 9f
    measure
1:  inc rbp
    mov rax, rbp
    # Locked, hence a full barrier: the round's loads come after its count can be seen.
    xchg [rbx + {BEGUN}], rax
    mov rsi, r12
    xor ecx, ecx
2:  mov r11, [rbx + {EXPECTED} + 8 * rcx]
.globl program_witness_read
program_witness_read:
    mov rax, [rsi + {WITNESSED}]
.globl program_witness_read_end
program_witness_read_end:
    mov [rbx + {SEEN} + 8 * rcx], rax
    cmp rax, r8
    jne 3f
    inc qword ptr [rbx + {RESULT}]
    mov [rbx + {RESULT} + 8], rsi
3:  # Not what the kernel says, and it said so before and after: a dead translation.
    cmp rax, r11
    je 5f
    test r11, r11
    jz 5f
    cmp r11, [rbx + {EXPECTED} + 8 * rcx]
    jne 5f
    inc qword ptr [rbx + {RESULT} + 16]
    cmp r11, [rbx + {REPORTED} + 8 * rcx]
    je 5f
    mov [rbx + {REPORTED} + 8 * rcx], r11
    push rsi
    mov edi, ecx
    mov rsi, r11
    mov rdx, rax
    system_call {STALE}
    pop rsi
5:  add rsi, r14
    inc ecx
    cmp ecx, r13d
    jb 2b
    dec r10
    jnz 4f
    mov r10, r9
    system_call {YIELD}
4:  next_round 1b, 0
    measured
    xor edi, edi
    cmp qword ptr [rbx + {RESULT}], 0
    setne dil
9:  finish

# ---- exhaust ADDRESS
.globl program_exhaust
program_exhaust:
    mov rbx, rdi
    mov r12, [rbx + {ARGUMENT}]
    mov r13, r12
1:  mov rdi, r13
    mov esi, 1
    mov edx, {READ_WRITE}
    system_call {MAP}
    test rax, rax
    js 2f
    inc qword ptr [rbx + {RESULT}]
    add r13, 4096
    cmp qword ptr [rbx + {STOP}], 0
    je 1b
    xor eax, eax
2:  neg rax
    mov [rbx + {RESULT} + 8], rax
    # Away again, as many at a time as one call takes.
    mov r14, [rbx + {RESULT}]
3:  mov rsi, r14
    mov eax, 4096
    cmp rsi, rax
    cmova rsi, rax
    test rsi, rsi
    jz 4f
    mov rdi, r12
    sub r14, rsi
    mov rax, rsi
    shl rax, 12
    add r12, rax
    system_call {UNMAP}
    test rax, rax
    jns 3b
4:  mov rdi, rax
    test r14, r14
    cmovz rdi, r14
    finish

# ---- yield COUNT
.globl program_yield
program_yield:
    mov rbx, rdi
    mov r13, [rbx + {ARGUMENT}]
    measure
1:  inc rbp
    system_call {YIELD}
    next_round 1b, r13
    measured
    xor edi, edi
    finish

# ---- spin COUNT
.globl program_spin
program_spin:
    mov rbx, rdi
    mov r13, [rbx + {ARGUMENT}]
    measure
1:  inc rbp
    next_round 1b, r13
    measured
    xor edi, edi
    finish

# ---- fault ADDRESS
.globl program_fault
program_fault:
    mov rax, [rdi + {ARGUMENT}]
    mov rax, [rax]
    xor edi, edi
    finish

# ---- privileged
.globl program_privileged
program_privileged:
    cli
    xor edi, edi
    finish

# ---- step
.globl program_step
program_step:
    pushfq
    or qword ptr [rsp], 0x100
    popfq
    nop
    xor edi, edi
    finish

# ---- overflow
.globl program_overflow
program_overflow:
    push rax
    jmp program_overflow

# ---- wild
.globl program_wild
program_wild:
    mov rbx, rdi
    lea r12, [rip + .Lwild_calls]
    lea r13, [rip + .Lwild_calls_end]
1:  mov rax, [r12]
    mov rdi, [r12 + 8]
    mov rsi, [r12 + 16]
    mov rdx, [r12 + 24]
    int 0x80
    test rax, rax
    jns 2f
    inc qword ptr [rbx + {RESULT}]
    add r12, 32
    cmp r12, r13
    jb 1b
    xor edi, edi
    finish
2:  mov rdi, [rbx + {RESULT}]
    inc rdi
    finish

.balign 8
.Lwild_calls:
    # Calls that there are not.
    .quad 10, 0, 0, 0
    # What only a witness may tell.
    .quad {STALE}, 0, 1, 2
    .quad {STALE}, -1, 1, 2
    .quad 0x100000000, 0, 0, 0
    .quad -1, 0, 0, 0
    # Text from nowhere, from the kernel, past the end of ring 3's half, and too much of it.
    .quad {WRITE}, 0, 8, 0
    .quad {WRITE}, 0xffffffff80200000, 8, 0
    .quad {WRITE}, 0xffff800000000000, 8, 0
    .quad {WRITE}, 0x00007ffffffffffc, 8, 0
    .quad {WRITE}, 0x8000000000000000, 8, 0
    .quad {WRITE}, -4, 8, 0
    .quad {WRITE}, 0x1000, -1, 0
    .quad {WRITE}, 0x1000, 0x10000, 0
    # Pages that are not whole, not ring 3's, NULL's, too many, none, or wrap around.
    .quad {MAP}, 0x400001, 1, {READ_WRITE}
    .quad {MAP}, 0, 1, {READ_WRITE}
    .quad {MAP}, 0x0000800000000000, 1, {READ_WRITE}
    .quad {MAP}, 0xffffffff80200000, 1, {READ_WRITE}
    .quad {MAP}, 0x8000000000000000, 1, {READ_WRITE}
    .quad {MAP}, 0x00007ffffffff000, 2, {READ_WRITE}
    .quad {MAP}, 0x5f0000000000, 0, {READ_WRITE}
    .quad {MAP}, 0x5f0000000000, -1, {READ_WRITE}
    .quad {MAP}, 0x5f0000000000, 0x10000000000000, {READ_WRITE}
    .quad {MAP}, -4096, 2, {READ_WRITE}
    # Rights that there are not.
    .quad {MAP}, 0x5f0000000000, 1, 2
    .quad {MAP}, 0x5f0000000000, 1, -1
    .quad {PROTECT}, 0x5f0000000000, 1, 7
    # Pages that are not mapped.
    .quad {UNMAP}, 0x5f0000000000, 1, 0
    .quad {PROTECT}, 0x5f0000000000, 1, {READ_ONLY}
    .quad {REMAP}, 0x5f0000000000, 0, 0
    .quad {UNMAP}, 0xffff800000000000, 1, 0
    .quad {PROTECT}, 0xffffffff80200000, 1, {READ_WRITE}
    .quad {REMAP}, 0xffffffff80200000, 0, 0
    .quad {REMAP}, 0x400008, 0, 0
    # The programs' own code.
    .quad {MAP}, {REGION}, 1, {READ_WRITE}
    .quad {UNMAP}, {TEXT}, 1, 0
    .quad {PROTECT}, {TEXT}, 1, {READ_WRITE}
    .quad {REMAP}, {TEXT}, 0, 0
    .quad {MAP}, {REGION} - 0x1000, 2, {READ_WRITE}
.Lwild_calls_end:

.balign 8
programs_end:
.globl programs_end
.text
