/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy_inside.h"

#include "audit/audit.h"
#include "base/log.h"

#include <stdio.h>

void tenancy_record(const struct tenancy *tenancy, const struct tenancy_event *event)
{
        struct audit *audit = tenancy_audit(tenancy);
        struct error error = { 0 };
        const struct audit_event line = {
                .action = event->action,
                .outcome = event->failed ? AUDIT_FAILED : AUDIT_OK,
                .object = event->object,
                .tenant = event->tenant,
                .listener = "ragd",
                .release = event->release,
                .details = event->details,
        };

        if (audit && audit_write(audit, &line, &error) < 0)
                log_warning("%s is not in the audit log: %s", event->action, error_text(&error));
}

void tenancy_on_news(void *data, struct tenant_id tenant, const char *name, const char *what,
                     const struct error *error_or_null)
{
        char action[32], object[16 + ID_TEXT_SIZE], id[ID_TEXT_SIZE];
        const char *const fields[] = { "RAGD_TENANT", name, "RAGD_TENANT_ID",
                                       id_format(tenant.id, id), NULL };
        const struct tenancy_event event = { .action = action, .object = object, .tenant = name,
                                             .failed = error_or_null };

        if (error_or_null)
                log_write(LOG_LEVEL_WARNING, fields, "tenant %s is not %s: %s", name, what,
                          error_text(error_or_null));
        else
                log_write(LOG_LEVEL_INFO, fields, "tenant %s is %s", name, what);
        (void) snprintf(action, sizeof action, "tenant.%s", what);
        (void) snprintf(object, sizeof object, "tenants/%s", id);
        tenancy_record(data, &event);
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
