/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy_inside.h"

#include "audit/audit.h"
#include "base/log.h"

#include <stdio.h>

void tenancy_on_news(void *data, struct tenant_id tenant, const char *name, const char *what,
                     const struct error *error_or_null)
{
        const struct tenancy *tenancy = data;
        char action[32], object[16 + ID_TEXT_SIZE], id[ID_TEXT_SIZE];
        const char *const fields[] = { "RAGD_TENANT", name, "RAGD_TENANT_ID",
                                       id_format(tenant.id, id), NULL };
        struct audit *audit = tenancy_audit(tenancy);
        const struct audit_event event = {
                .action = action,
                .outcome = error_or_null ? AUDIT_FAILED : AUDIT_OK,
                .object = object,
                .tenant = name,
                .listener = "ragd",
        };

        if (error_or_null)
                log_write(LOG_LEVEL_WARNING, fields, "tenant %s is not %s: %s", name, what,
                          error_text(error_or_null));
        else
                log_write(LOG_LEVEL_INFO, fields, "tenant %s is %s", name, what);
        (void) snprintf(action, sizeof action, "tenant.%s", what);
        (void) snprintf(object, sizeof object, "tenants/%s", id);
        if (audit && audit_write(audit, &event, NULL) < 0)
                log_warning("the audit log does not take what happened to tenant %s", name);
}

void tenancy_to_journal(void *data, const struct audit_event *event, const char *line)
{
        const char *const fields[] = {
                "RAGD_AUDIT_ACTION", event->action,
                "RAGD_AUDIT_OUTCOME", audit_outcome_name(event->outcome),
                "RAGD_AUDIT_OBJECT", event->object ? event->object : "",
                "RAGD_TENANT", event->tenant ? event->tenant : "",
                "RAGD_KEY", event->key ? event->key : "",
                "RAGD_USER", event->user ? event->user : "",
                "RAGD_REQUEST_ID", event->request_id ? event->request_id : "",
                NULL,
        };

        (void) data;
        if (log_is_journal()) /* else they would only repeat what lies in the file */
                log_write(LOG_LEVEL_INFO, fields, "audit %s", line);
}
