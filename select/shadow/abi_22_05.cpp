// SPDX-License-Identifier: GPL-2.0-or-later
// The entry points of a select plugin of Slurm 22.05 (select.c node_select_syms).
#include "select/shadow/entry.h"

SLURM_ENTRY int select_p_job_test(job_record_t*, bitstr_t*, uint32_t, uint32_t, uint32_t, uint16_t,
                                  List, List*, bitstr_t*);
STOCK(select_p_job_test)
int select_p_job_test(job_record_t* job, bitstr_t* nodes, uint32_t min_nodes, uint32_t max_nodes,
                      uint32_t req_nodes, uint16_t mode, List candidates, List* preempted,
                      bitstr_t* excluded) {
    return holon::shadow::job_test(
        {job, nodes, min_nodes, max_nodes, req_nodes, mode}, [&](bitstr_t* offered, bool preempt) {
            List none = nullptr;
            return stock_select_p_job_test(job, offered, min_nodes, max_nodes, req_nodes, mode,
                                           preempt ? candidates : nullptr,
                                           preempt ? preempted : &none, excluded);
        });
}

FORWARD_AND(select_p_node_init, (void), (), nodes_changed())
FORWARD_AND(select_p_reconfigure, (void), (), jobs_changed())
FORWARD_AND(select_p_select_nodeinfo_set, (job_record_t * job), (job), job_changed(job))
FORWARD_AND(select_p_job_resized, (job_record_t * job, node_record_t* node), (job, node),
            job_changed(job))
FORWARD_AND(select_p_job_suspend, (job_record_t * job, bool indefinitely), (job, indefinitely),
            job_changed(job))
FORWARD_AND(select_p_job_resume, (job_record_t * job, bool indefinitely), (job, indefinitely),
            job_changed(job))
FORWARD_AND(select_p_job_expand, (job_record_t * from, job_record_t* to), (from, to),
            job_changed(to))
FORWARD_AND(select_p_job_fini, (job_record_t * job), (job), job_ended(job))

FORWARD(int, select_p_state_save, (char* folder), (folder))
FORWARD(int, select_p_state_restore, (char* folder), (folder))
FORWARD(int, select_p_job_init, (List jobs), (jobs))
FORWARD(int, select_p_job_begin, (job_record_t * job), (job))
FORWARD(int, select_p_job_ready, (job_record_t * job), (job))
FORWARD(int, select_p_job_signal, (job_record_t * job, int number), (job, number))
FORWARD(bitstr_t*, select_p_step_pick_nodes,
        (job_record_t * job, select_jobinfo_t* info, uint32_t count, bitstr_t** nodes),
        (job, info, count, nodes))
FORWARD(int, select_p_step_start, (step_record_t * step), (step))
FORWARD(int, select_p_step_finish, (step_record_t * step, bool killing), (step, killing))
FORWARD(int, select_p_select_nodeinfo_pack,
        (select_nodeinfo_t * info, buf_t* buffer, uint16_t protocol), (info, buffer, protocol))
FORWARD(int, select_p_select_nodeinfo_unpack,
        (select_nodeinfo_t * *info, buf_t* buffer, uint16_t protocol), (info, buffer, protocol))
FORWARD(select_nodeinfo_t*, select_p_select_nodeinfo_alloc, (void), ())
FORWARD(int, select_p_select_nodeinfo_free, (select_nodeinfo_t * info), (info))
FORWARD(int, select_p_select_nodeinfo_set_all, (void), ())
FORWARD(int, select_p_select_nodeinfo_get,
        (select_nodeinfo_t * info, enum select_nodedata_type type, enum node_states state,
         void* data),
        (info, type, state, data))
FORWARD(select_jobinfo_t*, select_p_select_jobinfo_alloc, (void), ())
FORWARD(int, select_p_select_jobinfo_free, (select_jobinfo_t * info), (info))
FORWARD(int, select_p_select_jobinfo_set,
        (select_jobinfo_t * info, enum select_jobdata_type type, void* data), (info, type, data))
FORWARD(int, select_p_select_jobinfo_get,
        (select_jobinfo_t * info, enum select_jobdata_type type, void* data), (info, type, data))
FORWARD(select_jobinfo_t*, select_p_select_jobinfo_copy, (select_jobinfo_t * info), (info))
FORWARD(int, select_p_select_jobinfo_pack,
        (select_jobinfo_t * info, buf_t* buffer, uint16_t protocol), (info, buffer, protocol))
FORWARD(int, select_p_select_jobinfo_unpack,
        (select_jobinfo_t * *info, buf_t* buffer, uint16_t protocol), (info, buffer, protocol))
FORWARD(char*, select_p_select_jobinfo_sprint,
        (select_jobinfo_t * info, char* text, size_t size, int mode), (info, text, size, mode))
FORWARD(char*, select_p_select_jobinfo_xstrdup, (select_jobinfo_t * info, int mode), (info, mode))
FORWARD(int, select_p_get_info_from_plugin,
        (enum select_plugindata_info info, job_record_t* job, void* data), (info, job, data))
FORWARD(int, select_p_update_node_config, (int index), (index))
FORWARD(bitstr_t*, select_p_resv_test,
        (resv_desc_msg_t * reservation, uint32_t count, bitstr_t* nodes, bitstr_t** cores),
        (reservation, count, nodes, cores))
