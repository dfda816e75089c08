/* SPDX-License-Identifier: Apache-2.0 */
#include "control/interface.h"

#include "control/types.h"

#include <string.h>

const char *const interface_names[] = { VARLINK_INTERFACE, CONTROL_INTERFACE, SERVICE_INTERFACE,
                                        NULL };

static const char varlink_description[] =
        "# What every varlink service answers.\n"
        "interface " VARLINK_INTERFACE "\n"
        "\n"
        "method GetInfo() -> (vendor: string, product: string, version: string, url: string,"
        " interfaces: []string)\n"
        "\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n"
        "\n"
        "error InterfaceNotFound (interface: string)\n"
        "error MethodNotFound (method: string)\n"
        "error MethodNotImplemented (method: string)\n"
        "error InvalidParameter (parameter: string)\n"
        "error PermissionDenied ()\n"
        "error ExpectedMore ()\n"
        "error ExpectedUpgrade ()\n";

/* ---- Description ------------------------------------------------------------------------ */

static void write_doc(struct buf *out, const char *doc)
{
        buf_append_format(out, "\n# %s\n", doc);
}

static void write_input(struct buf *out, const struct command_field *fields)
{
        const char *comma = "";

        for (const struct command_field *field = fields; field->name; field++) {
                if (field->side == COMMAND_CLIENT)
                        continue;
                buf_append_format(out, "%s%s: %s", comma, field->name, field->type);
                comma = ", ";
        }
}

static void write_method(struct buf *out, const struct command *command)
{
        static const char *const styles[] = {
                [COMMAND_ONCE] = "",
                [COMMAND_MAY_MORE] = "# Tells more on the way when asked for it.\n",
                [COMMAND_MORE] = "# Requires more.\n",
                [COMMAND_UPGRADE] = "# Requires upgrade.\n",
        };

        write_doc(out, command->doc);
        buf_append_text(out, styles[command->style]);
        if (command->role == CONTROL_ADMIN)
                buf_append_text(out, "# Requires the administrators' socket.\n");
        buf_append_format(out, "method %s(", command->method);
        write_input(out, command->input);
        buf_append_format(out, ") -> (%s)\n", command->output);
}

int interface_write(const char *interface, struct buf *out)
{
        bool control = strcmp(interface, CONTROL_INTERFACE) == 0;

        if (strcmp(interface, VARLINK_INTERFACE) == 0) {
                buf_append_text(out, varlink_description);
                return 0;
        }
        if (!control && strcmp(interface, SERVICE_INTERFACE) != 0)
                return -ENOENT;

        buf_append_format(out, "# %s\ninterface %s\n",
                          control ? "Steers and watches ragd; ragctl speaks it."
                                  : "What every service of a systemd machine may be asked.",
                          interface);
        for (size_t i = 0; control && i < n_command_types; i++) {
                const struct command_type *type = &command_types[i];

                write_doc(out, type->doc);
                buf_append_format(out, "type %s %s\n", type->name, type->definition);
        }
        for (size_t i = 0; i < n_commands; i++)
                if (commands[i].interface && strcmp(commands[i].interface, interface) == 0)
                        write_method(out, &commands[i]);
        for (size_t i = 0; control && i < n_command_errors; i++) {
                write_doc(out, command_errors[i].doc);
                buf_append_format(out,
                                  "error %s (message: string, parameter: ?string,"
                                  " line: ?int%s%s)\n",
                                  command_errors[i].name, command_errors[i].about ? ", " : "",
                                  command_errors[i].about ? command_errors[i].about : "");
        }
        return 0;
}

/* ---- Checks ----------------------------------------------------------------------------- */

static struct json_object *about(const char *key, const char *value)
{
        struct json_object *object = json_object_new_object();

        if (object)
                json_add_string(object, key, value);
        return object;
}

/* "a.b.Method" → whether we have an interface "a.b". */
static bool interface_exists(const char *method, size_t len)
{
        for (size_t i = 0; interface_names[i]; i++)
                if (strlen(interface_names[i]) == len &&
                    strncmp(interface_names[i], method, len) == 0)
                        return true;
        return false;
}

static const char *not_found(const char *method, struct json_object **ret_about)
{
        const char *dot = strrchr(method, '.');
        size_t len = dot ? (size_t) (dot - method) : strlen(method);

        if (interface_exists(method, len)) {
                *ret_about = about("method", method);
                return VARLINK_INTERFACE ".MethodNotFound";
        }
        *ret_about = json_object_new_object();
        if (*ret_about)
                json_add(*ret_about, "interface", json_object_new_string_len(method, (int) len));
        return VARLINK_INTERFACE ".InterfaceNotFound";
}

/* The first parameter that is undeclared, missing, or not of its type; NULL: all is well. */
static const char *bad_parameter(const struct command *command, struct json_object *parameters)
{
        for (const struct command_field *field = command->input; field->name; field++) {
                struct json_object *value = NULL;

                if (field->side == COMMAND_CLIENT)
                        continue;
                if (parameters)
                        (void) json_object_object_get_ex(parameters, field->name, &value);
                if (!type_fits(field->type, value, true))
                        return field->name;
        }
        if (!parameters)
                return NULL;
        json_object_object_foreach(parameters, key, value)
        {
                const struct command_field *field = command->input;

                (void) value;
                while (field->name &&
                       (field->side == COMMAND_CLIENT || strcmp(field->name, key) != 0))
                        field++;
                if (!field->name)
                        return key;
        }
        return NULL;
}

const char *interface_check(const struct varlink_call *call, enum control_role role,
                            const struct command **ret_command, struct json_object **ret_about)
{
        const struct command *command = command_find(call->method);
        const char *parameter;

        *ret_about = NULL;
        if (!command)
                return not_found(call->method, ret_about);
        *ret_command = command;
        if (role < command->role)
                return VARLINK_INTERFACE ".PermissionDenied";
        if (command->style == COMMAND_MORE && !call->more)
                return VARLINK_INTERFACE ".ExpectedMore";
        if (command->style == COMMAND_UPGRADE && !call->upgrade)
                return VARLINK_INTERFACE ".ExpectedUpgrade";

        parameter = bad_parameter(command, call->parameters);
        if (!parameter && command->style != COMMAND_UPGRADE && call->upgrade)
                parameter = "upgrade";
        if (!parameter)
                return NULL;
        *ret_about = about("parameter", parameter);
        return VARLINK_INTERFACE ".InvalidParameter";
}

/* ---- org.varlink.service ------------------------------------------------------------------ */

static struct json_object *get_info(const char *version)
{
        struct json_object *info = json_object_new_object();
        struct json_object *names = json_object_new_array();

        json_add_string(info, "vendor", "ragd");
        json_add_string(info, "product", "ragd");
        json_add_string(info, "version", version);
        json_add_string(info, "url", "https://varlink.org/");
        for (size_t i = 0; interface_names[i]; i++)
                json_add_string(names, NULL, interface_names[i]);
        json_add(info, "interfaces", names);
        return info;
}

static const char *get_description(struct json_object *parameters, struct json_object **ret)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        const char *interface = NULL;

        if (parameters)
                (void) json_get_string(parameters, "interface", &interface, NULL);
        if (!interface) {
                *ret = about("parameter", "interface");
                return VARLINK_INTERFACE ".InvalidParameter";
        }
        if (interface_write(interface, &text) < 0) {
                *ret = about("interface", interface);
                return VARLINK_INTERFACE ".InterfaceNotFound";
        }
        *ret = about("description", buf_text(&text));
        return NULL;
}

/* The first member that is not `only`. */
static const char *undeclared(struct json_object *parameters, const char *only)
{
        if (!parameters)
                return NULL;
        json_object_object_foreach(parameters, key, value)
        {
                (void) value;
                if (!only || strcmp(key, only) != 0)
                        return key;
        }
        return NULL;
}

int interface_serve(const struct varlink_call *call, const char *version,
                    const char **ret_error, struct json_object **ret_reply)
{
        bool info = strcmp(call->method, VARLINK_INTERFACE ".GetInfo") == 0;
        bool description = strcmp(call->method, VARLINK_INTERFACE ".GetInterfaceDescription") == 0;
        const char *extra;

        if (!info && !description)
                return 0;
        *ret_error = NULL;
        extra = undeclared(call->parameters, description ? "interface" : NULL);
        if (extra) {
                *ret_error = VARLINK_INTERFACE ".InvalidParameter";
                *ret_reply = about("parameter", extra);
        } else if (info) {
                *ret_reply = get_info(version);
        } else {
                *ret_error = get_description(call->parameters, ret_reply);
        }
        return 1;
}
