/* SPDX-License-Identifier: GPL-2.0-or-later
   Where the kernel, the daemon's loader and signals enter the runtime, and where it leaves for the program.
   Offsets into struct Thread (thread.h) are checked there by static_assert. */

/* layout::range_begin >> 32 and layout::notified; home.cpp asserts them. */
#define RANGE_UPPER 0x7e80
#define NOTIFIED_PAGE 0x7e8100000000

#define THREAD_STACK_TOP 8

        .section .ssi.header, "a"
        .quad 0x316973736e6c6f68
        .long 1
        .long 0
        .quad ssi_injected

        .text

/* Injected at exec: RDI → Injection, RSP as execve left it. Everything else is zero for the program. */
        .globl ssi_injected
ssi_injected:
        mov %rsp, %rsi
        mov %rsp, %rbx
        and $-64, %rsp
        sub $4096, %rsp                 /* well below what execve wrote */
        call injected_main              /* returns the program's entry */
        mov %rbx, %rsp
        mov %rax, -8(%rsp)
        xor %eax, %eax
        xor %ebx, %ebx
        xor %ecx, %ecx
        xor %edx, %edx
        xor %esi, %esi
        xor %edi, %edi
        xor %ebp, %ebp
        xor %r8d, %r8d
        xor %r9d, %r9d
        xor %r10d, %r10d
        xor %r11d, %r11d
        jmp *-8(%rsp)

/* A body process: the kernel's execve of the runtime's own file. RSP → argc, argv. */
        .globl ssi_body_start
ssi_body_start:
        mov %rsp, %rdi
        and $-64, %rsp
        call body_main
        ud2

/* SIGSYS at home. The frame lies on the program's stack (or its alternate one), whose pages may be elsewhere: the C code runs
   on the thread's own stack in the runtime's range. Before the process is prepared there is none, and no page is elsewhere. */
        .globl ssi_home_trap
ssi_home_trap:
        mov %rsp, %rbp                  /* rbp is the program's, saved in the frame */
        cmpl $0, ssi_prepared(%rip)
        je 1f
        mov 160(%rdx), %rax             /* UContext::rsp */
        shr $32, %rax
        cmp $RANGE_UPPER, %eax          /* a kick for a deputy: it is on that stack already */
        je 1f
        mov %gs:THREAD_STACK_TOP, %rsp
1:      and $-64, %rsp
        call home_trap
        mov %rbp, %rsp
        ret

/* SIGSYS, SIGSEGV, … in a body: already on the runtime's alternate stack. */
        .globl ssi_body_trap
ssi_body_trap:
        mov %rsp, %rbp
        and $-64, %rsp
        call body_trap
        mov %rbp, %rsp
        ret

        .globl ssi_restorer
ssi_restorer:
        mov $15, %eax
        syscall
        ud2

/* void leave(UContext *): goes on where the context says, with its registers. */
        .globl ssi_leave
ssi_leave:
        mov %rdi, %rsp
        mov $15, %eax
        syscall
        ud2

/* long clone_thread(flags, stack top, parent_tid, child_tid, tls, function, argument): the child calls function(argument) on
   the given stack and never returns. */
        .globl ssi_clone_thread
ssi_clone_thread:
        mov 8(%rsp), %rax               /* argument */
        mov %r9, -16(%rsi)
        mov %rax, -8(%rsi)
        sub $16, %rsi
        mov %rcx, %r10
        mov $56, %eax
        syscall
        test %rax, %rax
        jnz 1f
        xor %ebp, %ebp
        pop %rax
        pop %rdi
        and $-64, %rsp
        call *%rax
        ud2
1:      ret

/* long interruptible(Thread *, number, const long args[6]): one system call of the program's. A signal that was taken before
   the call began (pending_signals), or that the kernel would repeat the call after, makes it return -ERESTARTSYS: the
   handler of signals moves the deputy from between check and call to the abort, so that none is missed. */
        .globl ssi_interruptible, ssi_interruptible_begin, ssi_interruptible_syscall
#define THREAD_PENDING 16
ssi_interruptible:
        push %rbx
        mov %rdi, %rbx
        mov %rsi, %rax
        mov %rdx, %r11
        mov 0(%r11), %rdi
        mov 8(%r11), %rsi
        mov 16(%r11), %rdx
        mov 24(%r11), %r10
        mov 32(%r11), %r8
        mov 40(%r11), %r9
ssi_interruptible_begin:
        cmpl $0, THREAD_PENDING(%rbx)
        jne 1f
ssi_interruptible_syscall:
        syscall
        pop %rbx
        ret
        .globl ssi_interruptible_abort
ssi_interruptible_abort:
1:      mov $-512, %rax                 /* ERESTARTSYS: not made, or to be made again after the handler */
        pop %rbx
        ret

/* Every handler of the program's, as the kernel knows it at home. A home thread goes on to the program's own, in the frame
   that the kernel has built. A thread on a stack of the runtime's is a deputy: the signal is its body's. Where it executes says
   nothing: a home thread that reads the time is in the vDSO, which is the runtime's, and a deputy that does is in the kernel's. */
        .globl ssi_home_signal
ssi_home_signal:
        mov 160(%rdx), %rax             /* UContext::rsp */
        shr $32, %rax
        cmp $RANGE_UPPER, %eax
        je 1f
        lea ssi_handlers(%rip), %rax
        movslq %edi, %rcx
        jmp *(%rax,%rcx,8)
1:      mov %rsp, %rbp
        and $-64, %rsp
        call deputy_signal
        lea 8(%rbp), %rsp               /* not through the program's restorer, whose call would be trapped */
        mov $15, %eax
        syscall
        ud2

/* long copy(to, from, size): 0, or -EFAULT where a page cannot be had; only in a body, whose handler of SIGSEGV knows these
   addresses. */
        .globl ssi_copy, ssi_copy_instruction, ssi_copy_failed
ssi_copy:
        mov %rdx, %rcx
ssi_copy_instruction:
        rep movsb
        xor %eax, %eax
        ret
ssi_copy_failed:
        mov $-14, %rax
        ret

/* long notified(number, args[6]): a system call from outside the range that the filters exempt, so that the daemon hears of
   it (exec). The page at layout::notified holds `syscall; ret`. */
        .globl ssi_notified
ssi_notified:
        mov %rdi, %rax
        mov %rsi, %r11
        mov 0(%r11), %rdi
        mov 8(%r11), %rsi
        mov 16(%r11), %rdx
        mov 24(%r11), %r10
        mov 32(%r11), %r8
        mov 40(%r11), %r9
        movabs $NOTIFIED_PAGE, %rcx
        jmp *%rcx

/* wait4 and waitid with a place for what the child has used (child_time.cpp): the program's own call, made here with its
   registers, stack and mask. [RSP] has its number, above that lies where the program goes on, above that its red zone. What
   the kernel leaves a caller is left here, too. The C code runs on the runtime's stack where there is one: a program's
   may be small (Go). */
        .globl ssi_child_wait, ssi_child_wait_done
ssi_child_wait:
        syscall
ssi_child_wait_done:
        push %r11                       /* the flags */
        test %rax, %rax
        js 3f
        push %rbp
        mov %rsp, %rbp
        push %rax
        push %rdi
        push %rsi
        push %rdx
        push %r10
        push %r8
        push %r9
        push $-1
        push $0
        mov $14, %eax                   /* rt_sigprocmask(SIG_SETMASK, all, before, 8) */
        mov $2, %edi
        lea 8(%rsp), %rsi
        mov %rsp, %rdx
        mov $8, %r10d
        syscall
        lea -56(%rbp), %rdi
        mov 16(%rbp), %rsi
        cmpl $0, ssi_prepared(%rip)
        je 1f
        mov %gs:THREAD_STACK_TOP, %rsp
1:      sub $512, %rsp
        and $-64, %rsp
        fxsave64 (%rsp)
        call child_waited
        fxrstor64 (%rsp)
        lea -72(%rbp), %rsp
        mov $14, %eax
        mov $2, %edi
        mov %rsp, %rsi
        xor %edx, %edx
        mov $8, %r10d
        syscall
        add $16, %rsp
        pop %r9
        pop %r8
        pop %r10
        pop %rdx
        pop %rsi
        pop %rdi
        pop %rax
        pop %rbp
3:      popfq
        lea 8(%rsp), %rsp
        ret $128

        .section .note.GNU-stack,"",@progbits
