# The PVH note, the multiboot2 header, the 32-bit entries and the bring-up page tables. Linked at physical addresses.

.section .note.Xen, "a", @note
.p2align 2
    .long 4                     # name size
    .long 4                     # descriptor size
    .long 18                    # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_start

# For GRUB and its like: the Multiboot2 specification, 3.1. In the first 32 KiB of the file. There is no
# header of multiboot1, which QEMU would prefer to the note.
.section .multiboot2, "a"
.p2align 3
multiboot2_header:
    .long 0xe85250d6
    .long 0                     # 32-bit protected mode
    .long multiboot2_end - multiboot2_header
    .long -(0xe85250d6 + multiboot2_end - multiboot2_header)
    .word 3, 0                  # the address to enter at
    .long 12
    .long multiboot2_start
.p2align 3
    .word 6, 0                  # modules begin at a page
    .long 8
    .word 0, 0                  # end
    .long 8
multiboot2_end:

.section .bootbss, "aw", @nobits
.p2align 12
.global boot_pml4
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096      # serves address 0 and the direct map
boot_pdpt_high: .skip 4096      # serves the kernel's address
boot_pd:        .skip 4096 * 4  # the first 4 GiB: the loader's words may be anywhere there
boot_stack:     .skip 4096      # until long mode only
boot_stack_top:

.section .bss
.p2align 12
.global first_stack
first_stack:    .skip 65536     # the first CPU's, until its idle thread's guarded one
first_stack_top:

.section .boot, "awx"
.code32
.global pvh_start
multiboot2_start:
    mov ebp, eax                # the loader's magic
    jmp 1f
pvh_start:
    xor ebp, ebp                # BY_PVH
1:  cli
    cld
    mov esp, offset boot_stack_top
    mov esi, ebx                # what the loader has to say

    mov eax, offset boot_pdpt
    or eax, 3
    mov dword ptr [boot_pml4], eax
    mov dword ptr [boot_pml4 + 256 * 8], eax
    mov eax, offset boot_pdpt_high
    or eax, 3
    mov dword ptr [boot_pml4 + 511 * 8], eax
    mov eax, offset boot_pd
    or eax, 3
    mov dword ptr [boot_pdpt_high + 510 * 8], eax
    xor ecx, ecx
2:  mov dword ptr [boot_pdpt + ecx * 8], eax
    add eax, 4096
    inc ecx
    cmp ecx, 4
    jne 2b
    xor ecx, ecx
2:  mov eax, ecx
    shl eax, 21
    or eax, 0x83                # present, writable, 2 MiB
    mov dword ptr [boot_pd + ecx * 8], eax
    inc ecx
    cmp ecx, 2048
    jne 2b

    mov eax, cr4
    or eax, 0x20                # PAE
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080         # EFER
    rdmsr
    or eax, 0x900               # LME, NXE
    wrmsr
    mov eax, cr0
    or eax, 0x80010001          # PG, WP, PE
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    push 8
    mov eax, offset boot_long
    push eax
    retf

.code64
boot_long:
    xor eax, eax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    movabs rsp, offset first_stack_top
    mov edi, ebp
    mov esi, esi                # its upper half is anybody's guess
    xor ebp, ebp
    movabs rax, offset boot_start
    call rax
    ud2

.p2align 3
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff    # 64-bit code, selector 8
boot_gdt_pointer:
    .word 15
    .long boot_gdt

# What the application processors run: copied to the page TRAMPOLINE (0x8000) below 1 MiB, entered
# there in real mode. The words at its end are filled in before.
.p2align 4
.global trampoline_start
trampoline_start:
.code16
    cli
    cld
    xor ax, ax
    mov ds, ax
    lgdt [at_gdt_pointer]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea            # ljmp 0x08, trampoline_protected
    .long at_protected
    .word 8
.code32
trampoline_protected:
    mov ax, 0x18
    mov ds, ax
    mov ss, ax
    mov eax, cr4
    or eax, 0x20
    mov cr4, eax
    mov eax, dword ptr [at_cr3]
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, cr0
    or eax, 0x80010001
    mov cr0, eax
    .byte 0xea                  # ljmp 0x10, trampoline_long
    .long at_long
    .word 0x10
.code64
trampoline_long:
    xor eax, eax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    # Several processors come through at once: each takes the next ticket, and with it a stack.
    mov edi, 1
    lock xadd dword ptr [at_ticket], edi
    cmp edi, dword ptr [at_tickets]
    jae 3f
    # The kernel's tables do not show this page: `ap::enter` changes over, and takes the stack.
    mov rsi, qword ptr [at_root]
    mov rdx, qword ptr [at_stacks]
    mov rax, qword ptr [at_entry]
    jmp rax
3:  cli
    hlt
    jmp 3b
.p2align 3
trampoline_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff    # 32-bit code, selector 0x08
    .quad 0x00af9a000000ffff    # 64-bit code, selector 0x10
    .quad 0x00cf92000000ffff    # data, selector 0x18
trampoline_gdt_pointer:
    .word 31
    .long at_gdt
.p2align 3
.global trampoline_words
trampoline_words:
trampoline_entry:   .quad 0
trampoline_stacks:  .quad 0
trampoline_root:    .quad 0
trampoline_cr3:     .long 0
trampoline_ticket:  .long 0
trampoline_tickets: .long 0
.global trampoline_end
trampoline_end:

# Where the parts of the copy are.
.set at_gdt_pointer, 0x8000 + trampoline_gdt_pointer - trampoline_start
.set at_protected, 0x8000 + trampoline_protected - trampoline_start
.set at_cr3, 0x8000 + trampoline_cr3 - trampoline_start
.set at_long, 0x8000 + trampoline_long - trampoline_start
.set at_ticket, 0x8000 + trampoline_ticket - trampoline_start
.set at_tickets, 0x8000 + trampoline_tickets - trampoline_start
.set at_stacks, 0x8000 + trampoline_stacks - trampoline_start
.set at_root, 0x8000 + trampoline_root - trampoline_start
.set at_entry, 0x8000 + trampoline_entry - trampoline_start
.set at_gdt, 0x8000 + trampoline_gdt - trampoline_start
