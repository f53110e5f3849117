"""Creates the table of the last known states of APIs, such as out of service."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ObservedState",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("state", models.CharField(max_length=20)),
                ("since", models.DateTimeField()),
                ("read_at", models.DateTimeField()),
                ("last_ok", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
            ],
        ),
    ]
