"""Creates the table of the requests in which software editors ask to be listed on the site."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="EditorRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("mail_due_at", models.DateTimeField(null=True)),
                ("mailed_at", models.DateTimeField(null=True)),
                ("name", models.CharField(max_length=120)),
                ("siret", models.CharField(max_length=14)),
                ("solution", models.CharField(max_length=120)),
                ("website", models.CharField(max_length=200)),
                ("description", models.TextField()),
                ("deployment", models.CharField(max_length=20)),
                ("technologies", models.CharField(max_length=200)),
                ("use_cases", models.TextField()),
                ("email", models.CharField(max_length=254)),
                ("phone", models.CharField(max_length=30)),
            ],
            options={"indexes": [models.Index(fields=["email"], name="editor_request_email")]},
        ),
    ]
